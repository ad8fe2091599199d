/**
 * A process that commits and claims as fast as it can, until its standard input ends. Tells on
 * standard output what was acknowledged, one line each: `key epoch seq`.
 * Arguments: url, node.
 */
import { writeSync } from 'node:fs'
import { createLogger } from '../../src/log.ts'
import { openStore } from '../../src/store/open.ts'
import { claimOf, LEASE_MS, turn, worker } from './helpers.ts'

const OWN_WORKERS = 4
const SHARED = worker('shared')

const [url = '', node = ''] = process.argv.slice(2)
const store = await openStore({ log: createLogger({ role: 'node', id: node }, 'warn') }, url)
const incarnation = await store.register(node, LEASE_MS)
let stopped = false
process.stdin.resume().on('end', () => {
  stopped = true
})

async function commitForEver(key: string): Promise<void> {
  const claim = await store.claim(claimOf(worker(key), 0, node, incarnation))
  if (!claim.ok) throw new Error(`${key}: ${claim.reason}`)
  for (let seq = 1; !stopped; seq++) {
    const record = turn(worker(key), claim.epoch, seq, { value: `${key} ${seq}` })
    const [result] = await store.commit(node, incarnation, [record])
    if (result !== 'ok') throw new Error(`${key} ${seq}: ${result}`)
    writeSync(1, `${key} ${claim.epoch} ${seq}\n`)
  }
}

/** Everyone takes the shared worker from everyone, and does one turn when that went well. */
async function claimForEver(): Promise<void> {
  while (!stopped) {
    const owner = await store.owner(SHARED)
    const request = claimOf(SHARED, owner?.epoch ?? 0, node, incarnation, 'handover')
    const claim = await store.claim(request)
    if (!claim.ok) continue
    const record = turn(SHARED, claim.epoch, claim.seq + 1, { [String(claim.epoch)]: node })
    const [result] = await store.commit(node, incarnation, [record])
    if (result === 'ok') writeSync(1, `${SHARED.key} ${claim.epoch} ${claim.seq + 1}\n`)
  }
}

const keys = Array.from({ length: OWN_WORKERS }, (_, i) => `${node}/${i}`)
await Promise.all([...keys.map(commitForEver), claimForEver()])
await store.close()
