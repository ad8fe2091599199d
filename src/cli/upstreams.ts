/** `aries upstreams`, `drain-upstream` and `undrain-upstream`: every front is asked. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AriesError } from '../errors.ts'
import type { UpstreamInfo } from '../front/upstream-states.ts'
import { eachFront } from './each-front.ts'
import { age, count } from './format.ts'
import type { ReadOptions } from './options.ts'
import { EXIT, harmless, print, printJson, remark } from './output.ts'
import { table } from './table.ts'

const LOOK_MS = 1_000

export type DrainUpstreamOptions = ReadOptions & {
  /** Seconds that clients which are bound to it may stay. */
  readonly for: number
  readonly wait: boolean
}

/** An upstream as one front knows it. */
interface OfFront extends UpstreamInfo {
  readonly front: string
}

/** `aries upstreams` */
export async function upstreams(options: ReadOptions): Promise<void> {
  const infos = await listed(options)
  if (options.json) printJson(infos)
  else print(listText(infos))
}

/** `aries drain-upstream <url>`; resolves with the exit code when nothing is in flight there. */
export async function drainUpstream(url: string, options: DrainUpstreamOptions): Promise<number> {
  const body = { url, boundMs: options.for * 1_000 }
  const fronts = await eachFront(options, (client) =>
    client.post('POST /api/upstreams/drain', {}, { body }),
  )
  let infos = fronts.map(([front, info]): OfFront => ({ front, ...info }))
  let told = ''
  while (options.wait && infos.some(({ inFlight }) => inFlight > 0)) {
    const line = leftText(infos)
    if (line !== told) remark(line)
    told = line
    await sleep(LOOK_MS)
    infos = (await listed(options)).filter((info) => info.url === url)
    if (infos.some(({ state }) => state !== 'draining')) {
      throw new AriesError('ARIES_E_UPSTREAM_UNKNOWN', `${url} is not draining any more`)
    }
  }
  if (options.json) printJson(infos)
  else if (options.wait) print(`${url} is drained; \`aries undrain-upstream\` takes it back`)
  else print(leftText(infos))
  return EXIT.ok
}

/** `aries undrain-upstream <url>` */
export async function undrainUpstream(url: string, options: ReadOptions): Promise<void> {
  const answers = await eachFront(options, (client) =>
    client.post('POST /api/upstreams/undrain', {}, { body: { url } }),
  )
  if (options.json) printJson(answers.map(([front, info]) => ({ front, ...info })))
  else print(`${url} is in use again`)
}

async function listed(options: ReadOptions): Promise<OfFront[]> {
  const answers = await eachFront(options, (client) => client.get('GET /api/upstreams'))
  return answers.flatMap(([front, infos]) => infos.map((info) => ({ front, ...info })))
}

function leftText(infos: readonly OfFront[]): string {
  const inFlight = infos.reduce((sum, one) => sum + one.inFlight, 0)
  const leftMs = Math.max(0, ...infos.map((one) => one.leftMs ?? 0))
  const bound = leftMs > 0 ? `bound clients may stay ${age(leftMs)}` : 'bound clients go elsewhere'
  return `${infos[0]?.url ?? ''}: ${count(inFlight, 'request')} in flight, ${bound}`
}

function listText(infos: readonly OfFront[]): string {
  const titles = ['UPSTREAM', 'FRONT', 'STATE', 'FOR', 'IN FLIGHT', 'REQUESTS', 'FAILED', 'NOTE']
  return table(
    titles.map((title) => ({ title })),
    infos.map((info) => [
      info.url,
      info.front,
      info.state,
      age(info.forMs),
      String(info.inFlight),
      String(info.requests),
      String(info.failed),
      noteOf(info),
    ]),
  )
}

function noteOf({ state, why, leftMs }: UpstreamInfo): string {
  const left = leftMs === undefined ? '' : `${age(leftMs)} left`
  const words = state === 'draining' ? [left, why ?? ''] : [why ?? '', left]
  return harmless(words.filter((each) => each !== '').join('; '))
}
