import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { type Mail, Mailbox } from '../../src/host/mailbox.ts'

function mail(arrivedMs: number): Mail {
  return {
    arrivedMs,
    abandoned: false,
    run: () => undefined,
    succeed: () => undefined,
    fail: () => undefined,
    moved: () => undefined,
  }
}

t.test(
  'mail is taken in the order in which it came, however the queue grows and shrinks',
  async (t) => {
    const box = new Mailbox(1_000)
    const taken: number[] = []
    let pushed = 0
    for (const [push, shift] of [
      [300, 200],
      [3, 103],
      [500, 70],
      [1, 431],
      [1, 1],
    ] as const) {
      for (let i = 0; i < push; i++) t.ok(box.push(mail(pushed++)))
      for (let i = 0; i < shift; i++) taken.push(box.shift()!.arrivedMs)
      t.equal(box.size, pushed - taken.length)
    }
    t.strictSame(
      taken,
      taken.map((_, i) => i),
    )
    t.equal(box.shift(), undefined)
    t.equal(box.peek(), undefined)
  },
)

t.test('it is full at its limit, except for mail that is always taken', async (t) => {
  const box = new Mailbox(2)
  t.ok(box.push(mail(1)))
  t.ok(box.push(mail(2)))
  t.notOk(box.push(mail(3)))
  t.ok(box.push(mail(4), true))
  box.shift()
  t.strictSame(
    box.takeAll().map(({ arrivedMs }) => arrivedMs),
    [2, 4],
  )
  t.equal(box.size, 0)
  t.ok(box.push(mail(5)))
})

t.test('mail that was taken is let go of', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const box = new Mailbox(10)
  const held: WeakRef<Mail>[] = []
  for (let i = 0; i < 3; i++) {
    const one = mail(i)
    held.push(new WeakRef(one))
    box.push(one)
  }
  box.shift()
  box.shift()
  // What was looked at in this job stays until its end.
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  t.strictSame(
    held.map((ref) => ref.deref()?.arrivedMs),
    [undefined, undefined, 2],
  )
})
