import t from 'tap'
import { nextJobs, type QueuedJob, type QueueOptions } from '../../src/jobs/job-queue.ts'

const GB = 2 ** 30
const WHOLE = { cpu: 4, memoryBytes: 8 * GB }
const OPTIONS: QueueOptions = { whole: WHOLE, freshMs: 1_000, patienceMs: 60_000 }

const job = (id: string, more: Partial<QueuedJob> = {}): QueuedJob => ({
  id,
  priority: 0,
  cpu: 1,
  memoryBytes: 0,
  ageMs: 5_000,
  ...more,
})

t.test('the largest priority first, then who has waited longest, as many as fit', async (t) => {
  const queue = [
    job('young', { ageMs: 2_000 }),
    job('low', { priority: -1, ageMs: 50_000 }),
    job('old', { ageMs: 9_000 }),
    job('high', { priority: 7 }),
  ]
  t.strictSame(nextJobs(queue, { cpu: 4, memoryBytes: GB }, OPTIONS), [
    'high',
    'old',
    'young',
    'low',
  ])
  t.strictSame(nextJobs(queue, { cpu: 2.5, memoryBytes: GB }, OPTIONS), ['high', 'old'])
  t.strictSame(nextJobs(queue, { cpu: 0.5, memoryBytes: GB }, OPTIONS), [])
  t.strictSame(nextJobs([], WHOLE, OPTIONS), [])
})

t.test('a job starts only where its memory is free', async (t) => {
  const queue = [job('large', { memoryBytes: 6 * GB }), job('small', { memoryBytes: GB })]
  t.strictSame(nextJobs(queue, { cpu: 4, memoryBytes: 8 * GB }, OPTIONS), ['large', 'small'])
  t.strictSame(nextJobs(queue, { cpu: 4, memoryBytes: 6.5 * GB }, OPTIONS), ['large'])
  t.strictSame(nextJobs(queue, { cpu: 4, memoryBytes: 5 * GB }, OPTIONS), ['small'])
})

t.test('smaller ones pass a large one, until its patience ends', async (t) => {
  const room = { cpu: 1, memoryBytes: 8 * GB }
  const large = (ageMs: number, cpu = 4): QueuedJob => job('large', { cpu, ageMs })
  t.strictSame(nextJobs([large(59_000), job('small')], room, OPTIONS), ['small'])
  t.strictSame(nextJobs([large(61_000), job('small')], room, OPTIONS), [])
  t.strictSame(nextJobs([large(61_000, 5), job('small')], room, OPTIONS), ['small'], 'never here')
  const first = [large(61_000), job('small', { priority: 1 })]
  t.strictSame(nextJobs(first, room, OPTIONS), ['small'], 'before it by its priority')
})

t.test('room is left for a young job that another node is being chosen for', async (t) => {
  const young = job('young', { priority: 1, ageMs: 10 })
  const queue = [young, job('a'), job('b', { ageMs: 4_000 })]
  t.strictSame(nextJobs(queue, { cpu: 2, memoryBytes: GB }, OPTIONS), ['a'])
  const hinted = { ...OPTIONS, hinted: 'young' }
  t.strictSame(nextJobs(queue, { cpu: 2, memoryBytes: GB }, hinted), ['young', 'a'])
})
