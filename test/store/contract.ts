/** What every store keeps, whatever it is made of: the rules at the head of `src/store/store.ts`. */
import type { Test } from 'tap'
import type { Store } from '../../src/store/store.ts'
import { alarmRules } from './contract-alarms.ts'
import { claimRules } from './contract-claims.ts'
import { commitRules } from './contract-commits.ts'
import { fenceRules } from './contract-fences.ts'
import { jobRules } from './contract-jobs.ts'
import { nodeRules } from './contract-nodes.ts'
import { readRules } from './contract-reads.ts'
import { versionRules } from './contract-versions.ts'
import { watchRules } from './contract-watch.ts'

export interface ContractFixture {
  /** Opens the one store under test once more; the caller closes it. */
  open(): Promise<Store>
}

export async function storeContract(t: Test, fixture: ContractFixture): Promise<void> {
  const store = await fixture.open()
  t.teardown(() => store.close())
  const other = await fixture.open()
  t.teardown(() => other.close())
  await nodeRules(t, store)
  await claimRules(t, store, other)
  await commitRules(t, store, other)
  await fenceRules(t, store)
  await versionRules(t, store, other)
  await watchRules(t, store, other)
  await alarmRules(t, store, other)
  await jobRules(t, store, other)
  await readRules(t, store, fixture)
}
