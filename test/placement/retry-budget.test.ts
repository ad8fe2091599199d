import t from 'tap'
import { RetryBudget } from '../../src/placement/retry-budget.ts'

/** Of `count` requests, one every `everyMs`, each wanting to be sent again: how many are. */
function retried(budget: RetryBudget, count: number, everyMs: number): number {
  let sum = 0
  for (let i = 0; i < count; i++) {
    budget.deposit(i * everyMs)
    if (budget.withdraw(i * everyMs)) sum++
  }
  return sum
}

t.test('a fifth of many requests, and ten a second', async (t) => {
  const budget = new RetryBudget({ ratio: 0.2, perSecond: 10 }, 0)
  const sent = retried(budget, 100_000, 1)
  t.ok(sent >= 20_000 && sent <= 21_200, `${sent} of 100000 in 100 s`)
})

t.test('all of few requests', async (t) => {
  const budget = new RetryBudget({ ratio: 0.2, perSecond: 10 }, 0)
  t.equal(retried(budget, 500, 200), 500)
})

t.test('what is not used is forgotten', async (t) => {
  const budget = new RetryBudget({ ratio: 0.5, perSecond: 0 }, 0)
  for (let i = 0; i < 1_000; i++) budget.deposit(i)
  t.ok(budget.withdraw(1_000))
  t.notOk(budget.withdraw(120_000))
})

t.test('none where none is allowed', async (t) => {
  const budget = new RetryBudget({ ratio: 0, perSecond: 0 }, 0)
  t.equal(retried(budget, 100, 1), 0)
})
