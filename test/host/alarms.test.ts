import t, { type Test } from 'tap'
import { AriesError } from '../../src/errors.ts'
import { AlarmClock, alarmSetting } from '../../src/host/alarm-clock.ts'
import type { Mail } from '../../src/host/mailbox.ts'
import { createLogger } from '../../src/log.ts'
import { VirtualClock } from '../../src/sim/virtual-clock.ts'
import { SectionState } from '../../src/worker/state.ts'
import { SpoiledHost } from '../helpers/host-in-process.ts'
import type { HostProcess } from '../helpers/host-process.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

const log = createLogger({ role: 'cli', id: 'test' }, 'silent')
const id = { class: 'reminder', key: 'r' }
const SOON = '/?in=50'
const LATER_MS = 86_400_000
const ALWAYS = Number.MAX_SAFE_INTEGER

interface View {
  readonly rang: readonly number[]
  readonly alarm: number | null
  readonly calls: number
}

async function ask(host: HostProcess | SpoiledHost, path = '/'): Promise<View> {
  const answer = await host.request(id, { path })
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`)
  return JSON.parse(answer.body) as View
}

async function spoiled(t: Test): Promise<SpoiledHost> {
  const host = await SpoiledHost.start(t)
  await host.open(id)
  return host
}

const due = async (host: SpoiledHost): Promise<unknown[]> => host.store.dueAlarms(0, ALWAYS, 9)

t.test('an alarm rings once, as a turn, and is no more', async (t) => {
  const host = await spoiled(t)
  const { alarm } = await ask(host, SOON)
  t.type(alarm, 'number', 'seen in the turn that set it')
  t.match(await due(host), [{ id, dueMs: alarm }], 'the store knows it')
  await until('it rings', async () => (await ask(host)).rang.length > 0)
  t.match(await ask(host), { rang: [alarm], alarm: null, calls: 1 })
  await until('the store forgets it', async () => (await due(host)).length === 0)
})

t.test('set anew, unset, and undone with its turn', async (t) => {
  const host = await spoiled(t)
  await ask(host, `/?in=${LATER_MS}`)
  const { alarm } = await ask(host, SOON)
  await until('the newer one rings', async () => (await ask(host)).rang.length > 0)
  t.strictSame((await ask(host)).rang, [alarm])
  await ask(host, `/?in=${LATER_MS}`)
  t.equal((await ask(host, '/?off')).alarm, null)
  t.same(await due(host), [])
  t.equal((await host.request(id, { path: '/?in=1&throw' })).status, 500)
  t.equal((await ask(host)).alarm, null)
  t.equal((await host.request(id, { path: '/?at=never' })).code, 'ARIES_E_WORKER_FAILED')
  const probe = { class: 'counter', key: 'c' }
  await host.open(probe)
  t.same(await due(host), [])
})

t.test('the turn of an alarm may set the next one', async (t) => {
  const host = await spoiled(t)
  const { alarm } = await ask(host, `${SOON}&next=3`)
  await until('all have rung', async () => (await ask(host)).rang.length === 4)
  t.strictSame(
    (await ask(host)).rang,
    [0, 1, 2, 3].map((n) => alarm! + n),
  )
  t.same(await due(host), [])
})

t.test('a turn that throws is tried again, later and later, ten times', async (t) => {
  const clock = new VirtualClock()
  const state = new SectionState()
  const calls: number[] = []
  const instance = {
    alarm(at: number): void {
      calls.push(clock.wallMs())
      t.equal(at, 5_000, 'the time that was set')
      throw new Error('as asked')
    },
  }
  const turn = (mail: Pick<Mail, 'run' | 'succeed' | 'fail'>): void => {
    state.beginTurn()
    try {
      mail.run(instance as never)
      state.endTurn()
      mail.succeed(undefined)
    } catch (error) {
      state.rollBack()
      mail.fail(new AriesError('ARIES_E_WORKER_FAILED', String(error)))
    }
    alarm.arm()
  }
  const alarm = new AlarmClock({ clock, log, state: () => state, offer: turn }, 'c/k')
  const setting = alarmSetting(state)
  turn({ run: () => setting.set(5_000), succeed: () => undefined, fail: () => undefined })
  clock.runUntil(10 * 60_000)
  const pauses = calls.slice(1).map((ms, i) => Math.round((ms - calls[i]!) / 1_000))
  t.strictSame(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60])
  t.equal(setting.get(), null, 'given up')
  alarm.stop()
})

t.test('while the store is lost nothing counts as an attempt', async (t) => {
  const host = await spoiled(t)
  const other = { class: 'counter', key: 'c' }
  await host.open(other)
  const { alarm } = await ask(host, '/?in=200')
  host.spoil = 'everything'
  t.equal((await host.request(other, { method: 'POST' })).code, 'ARIES_E_OUTCOME_UNKNOWN')
  const sent = host.records
  await until('it is tried', async () => (await ask(host)).calls > 0)
  t.match(await ask(host), { rang: [], alarm })
  t.match(await due(host), [{ id, dueMs: alarm }], 'not put off')
  t.equal(host.records, sent)
  host.spoil = 'nothing'
  await until('it rings', async () => (await ask(host)).rang.length === 1)
  t.match(await ask(host), { rang: [alarm], alarm: null })
  t.match(await host.store.owner(id), { epoch: 1 })
})

t.test('an alarm whose outcome was unknown rings where the worker is opened next', async (t) => {
  const host = await spoiled(t)
  const { alarm } = await ask(host, SOON)
  host.spoil = 'everything'
  await until('it is dropped', async () => (await host.request(id)).status === 421)
  host.spoil = 'nothing'
  await host.open(id, 1)
  await until('it rings', async () => (await ask(host)).rang.length === 1)
  t.match(await ask(host), { rang: [alarm], alarm: null })
})

t.test('it moves with the worker, and is there after a kill -9', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2', 'n3'])
  const [n1, n2, n3] = [hosts.get('n1'), hosts.get('n2'), hosts.get('n3')]
  await hosts.create(id, 'n1')
  const { alarm } = await ask(n1, '/?in=700')
  await n1.move(id, n2.address)
  t.match(await ask(n2), { alarm, rang: [] })
  await until('it rings', async () => (await ask(n2)).rang.length === 1)
  t.match(await ask(n2), { rang: [alarm], alarm: null })

  const second = await ask(n2, '/?in=50')
  t.ok(second.alarm)
  await n2.kill()
  await hosts.store.evict('n2', 1)
  await hosts.takeOver(id, 2, 'n3')
  await until('it rings there', async () => (await ask(n3)).alarm === null)
  t.equal((await ask(n3)).rang.length, 2)
  t.match(await ask(n3), { rang: [alarm] })
})
