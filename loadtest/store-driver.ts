/** One process of `bench-store.ts`: opens the store, commits as it is told, reports the times. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createLogger } from '../src/log.ts'
import { openStore } from '../src/store/open.ts'
import type { CommitRecord, Store } from '../src/store/store.ts'

export interface Drive {
  /** Loops that each wait for their own commit. */
  readonly streams: number
  /** Records in one call, each of another worker. */
  readonly records: number
  /** Size of the one section that a record sets. */
  readonly bytes: number
  /** Pause between a commit and the next of the same loop. */
  readonly pauseMs: number
}

export interface Driven {
  readonly latenciesMs: readonly number[]
  /** Records. */
  readonly perSecond: number
}

const LEASE_MS = 600_000
const [url = '', node = ''] = process.argv.slice(2)
const store = await openStore({ log: createLogger({ role: 'node', id: node }, 'warn') }, url)
const incarnation = await store.register(node, LEASE_MS)
process.on('message', (drive: Drive & { seconds: number }) => {
  void run(store, drive).then((driven) => process.send?.(driven))
})
process.on('disconnect', () => void store.close())
process.send?.('ready')

async function run(store: Store, drive: Drive & { seconds: number }): Promise<Driven> {
  const streams = await Promise.all(
    Array.from({ length: drive.streams }, (_, stream) =>
      Promise.all(Array.from({ length: drive.records }, (_, i) => claim(store, stream, i))),
    ),
  )
  const value = new Uint8Array(drive.bytes).fill(7)
  const latenciesMs: number[] = []
  const startMs = performance.now()
  const endMs = startMs + drive.seconds * 1_000
  await Promise.all(
    streams.map(async (workers) => {
      while (performance.now() < endMs) {
        const records = workers.map((worker): CommitRecord => {
          worker.seq++
          return { ...worker, set: [{ name: 'value', value }], remove: [] }
        })
        const beganMs = performance.now()
        const results = await store.commit(node, incarnation, records)
        latenciesMs.push(Math.round((performance.now() - beganMs) * 1_000) / 1_000)
        if (results.includes('fenced')) throw new Error('a commit was fenced')
        if (drive.pauseMs > 0) await sleep(drive.pauseMs)
      }
    }),
  )
  const seconds = (performance.now() - startMs) / 1_000
  return { latenciesMs, perSecond: (latenciesMs.length * drive.records) / seconds }
}

/** The worker of that place, this node's from now on. */
async function claim(
  store: Store,
  stream: number,
  i: number,
): Promise<{ id: CommitRecord['id']; epoch: number; seq: number }> {
  const id = { class: 'bench', key: `${node}/${stream}/${i}` }
  const fromEpoch = (await store.owner(id))?.epoch ?? 0
  const claimed = await store.claim({ id, fromEpoch, node, incarnation, host: 1, mode: 'takeover' })
  if (!claimed.ok) throw new Error(`claim: ${claimed.reason}`)
  return { id, epoch: claimed.epoch, seq: claimed.seq }
}
