/** `aries keys`: which keys the members have, and a new one for all while they serve. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterMember } from '../admin/api.ts'
import { formatAddress } from '../config/address.ts'
import { loadConfig } from '../config/load.ts'
import { AriesError } from '../errors.ts'
import type { KeysInfo } from '../key-ring.ts'
import { type KeyOrder, keyId, sealOrder } from '../keys.ts'
import { AdminClient, withClient } from './client.ts'
import { number } from './format.ts'
import { type ConfigOptions, configFileOf, mapFileOf, type ReadOptions } from './options.ts'
import { print, printJson, remark } from './output.ts'
import { byRoleAndId } from './status.ts'
import { table } from './table.ts'

/** What was sent with the old key has arrived by then, or been sent again with the new one. */
const SETTLE_MS = 4_000
const KEY_BYTES = 32

export type RotateOptions = ReadOptions &
  ConfigOptions & {
    /** Also when members are away, which will not be able to come back by themselves. */
    readonly force?: boolean
  }

type Act =
  | { readonly do: 'install'; readonly key: string }
  | { readonly do: 'use' | 'remove'; readonly id: string }

/** `aries keys status` */
export async function keysStatus(options: ReadOptions): Promise<void> {
  const { present } = await membersOf(options)
  const infos = await Promise.all(present.map((member) => infoOf(member)))
  if (options.json) printJson(infos)
  else print(statusText(infos))
}

/** `aries keys rotate` */
export async function keysRotate(options: RotateOptions): Promise<void> {
  const config = await loadConfig(configFileOf(options), mapFileOf(options))
  const [own] = config.keys
  if (own === undefined || config.keyFile === undefined) {
    throw new AriesError(
      'ARIES_E_KEYS',
      'only keys in a key file are rotated by command; move the key to one and write `keyFile: <file>` instead of `key`, or change a list of keys by hand (docs/guides/keys.md)',
    )
  }
  const { present, away } = await membersOf(options)
  if (away.length > 0 && !options.force) {
    throw new AriesError(
      'ARIES_E_KEYS',
      `not alive: ${away.map(({ id }) => id).join(', ')}; a member that is away cannot come back with the old key (--force goes on without)`,
    )
  }
  const rotation = new Rotation(present, own)
  const key = randomBytes(KEY_BYTES).toString('base64')
  await rotation.run(key, (step) => remark(step))
  const infos = await Promise.all(present.map((member) => infoOf(member)))
  if (options.json) printJson(infos)
  else print(`every member uses ${keyId(key)} and no other key`)
}

/** Install everywhere, use everywhere, remove everywhere: at each moment all understand each other. */
class Rotation {
  readonly #members: readonly ClusterMember[]
  /** A key that every member has now: orders are sealed with it. */
  #known: string

  constructor(members: readonly ClusterMember[], known: string) {
    this.#members = members
    this.#known = known
  }

  async run(key: string, say: (step: string) => void): Promise<void> {
    const id = keyId(key)
    await this.#prepare()
    say(`installing ${id}`)
    await this.#all({ do: 'install', key })
    say(`${id} is known to all; using it`)
    await this.#all({ do: 'use', id })
    this.#known = key
    say(`${id} is used by all; removing what was before`)
    await sleep(SETTLE_MS)
    await this.#removeAllBut(new Set([id]))
  }

  /** Every member can be changed, and what an earlier rotation left behind goes first. */
  async #prepare(): Promise<void> {
    const infos = await Promise.all(this.#members.map((member) => infoOf(member)))
    const fixed = infos.filter(({ file }) => !file).map(({ id }) => id)
    if (fixed.length > 0) {
      throw new AriesError(
        'ARIES_E_KEYS',
        `${fixed.join(', ')}: the key is in the configuration, not in a key file`,
      )
    }
    await this.#removeAllBut(new Set(infos.flatMap(({ accepts }) => accepts.slice(0, 1))))
  }

  async #removeAllBut(kept: ReadonlySet<string>): Promise<void> {
    for (const member of this.#members) {
      const { accepts } = await infoOf(member)
      for (const id of accepts) if (!kept.has(id)) await this.#one(member, { do: 'remove', id })
    }
  }

  /** One after the other: members on one machine may share their key file. */
  async #all(act: Act): Promise<void> {
    for (const member of this.#members) await this.#one(member, act)
  }

  async #one(member: ClusterMember, act: Act): Promise<void> {
    const { accepts: has } = await infoOf(member)
    const order: KeyOrder = { ...act, member: member.id, has }
    const sealed = sealOrder(this.#known, order)
    await ask(member, (client) => client.post('POST /api/keys', {}, { body: { sealed } }))
  }
}

async function membersOf(
  options: ReadOptions,
): Promise<{ present: ClusterMember[]; away: ClusterMember[] }> {
  const { members } = await withClient(options, (client) => client.get('GET /api/cluster'))
  const ordered = members.toSorted(byRoleAndId)
  const present = ordered.filter(({ state }) => state === 'alive' || state === 'suspect')
  return { present, away: ordered.filter((member) => !present.includes(member)) }
}

function infoOf(member: ClusterMember): Promise<KeysInfo> {
  return ask(member, (client) => client.get('GET /api/keys'))
}

async function ask<T>(
  { host, adminPort }: ClusterMember,
  what: (client: AdminClient) => Promise<T>,
): Promise<T> {
  const client = new AdminClient(formatAddress(host, adminPort))
  try {
    return await what(client)
  } finally {
    await client.close()
  }
}

function statusText(infos: readonly KeysInfo[]): string {
  const rows = infos.map(({ id, accepts, file, opened }) => [
    id,
    accepts[0] ?? 'none',
    accepts.slice(1).join(' ') || '-',
    file ? 'key file' : 'configuration',
    Object.entries(opened)
      .map(([key, packets]) => `${key} ${number(packets, 0)}`)
      .join(', ') || '-',
  ])
  const titles = ['MEMBER', 'USES', 'ACCEPTS TOO', 'FROM', 'PACKETS HEARD']
  return table(
    titles.map((title) => ({ title })),
    rows,
  )
}
