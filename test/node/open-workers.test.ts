import t from 'tap'
import type { HostClient } from '../../src/node/host-client.ts'
import { OpenWorkers } from '../../src/node/open-workers.ts'

const id = { class: 'counter', key: 'a' }
/** All that the table looks at of a process. */
const process = (number: number): HostClient => ({ id: number, port: 1_000 + number }) as HostClient
const record = (host: number, epoch: number) => ({
  id,
  node: 'n1',
  incarnation: 1,
  host,
  epoch,
  seq: 0,
  version: 0,
  ownerActive: true,
})

t.test('a move from one process to another counts in whatever order they tell', async (t) => {
  for (const order of ['arrived first', 'gone first']) {
    const open = new OpenWorkers()
    const [a, b] = [process(1), process(2)]
    open.opened(a, id, 1)
    if (order === 'gone first') open.gone(a, id, false)
    open.opened(b, id, 2)
    if (order === 'arrived first') open.gone(a, id, false)
    t.match(open.get(id), { epoch: 2, host: b }, order)
    open.opened(a, id, 1)
    t.match(open.get(id), { epoch: 2, host: b }, 'late news changes nothing')
  }
})

t.test('with a process its own workers are gone, and no others', async (t) => {
  const open = new OpenWorkers()
  const [a, b] = [process(1), process(2)]
  const other = { class: 'counter', key: 'b' }
  open.opened(a, id, 1)
  open.opened(b, other, 1)
  open.down(a)
  t.notOk(open.has(id))
  t.match(open.get(other), { host: b })
  Object.assign(a, { port: 0 })
  open.opened(a, id, 2)
  t.notOk(open.has(id), 'last words of a process that has ended')
})

t.test('an epoch is opened by the process that it was claimed for, and once', async (t) => {
  const open = new OpenWorkers()
  const [a, b] = [process(1), process(2)]
  t.ok(open.mayOpen(a, record(1, 1)))
  t.notOk(open.mayOpen(b, record(1, 1)))
  open.opened(a, id, 1)
  open.gone(a, id, false)
  t.ok(open.mayOpen(a, record(1, 1)), 'closed in order')
  open.opened(a, id, 1)
  open.gone(a, id, true)
  t.notOk(open.mayOpen(a, record(1, 1)), 'its last commit is in doubt')
  t.ok(open.mayOpen(a, record(1, 2)))
})
