import type { TestCluster } from '../helpers/cluster.ts'

/** What the cluster answers when the balance has moved the worker there, or does so now. */
const MEANWHILE = /is already (?:on|moving to) n/

interface Moved {
  readonly to: string
  readonly status: number
  readonly body: unknown
}

/** Moves a worker to the other one of two nodes, as an operator does. */
export async function moveToOther(cluster: TestCluster, worker: string): Promise<Moved> {
  for (;;) {
    const { node } = (await cluster.get(`/api/workers/${worker}`)) as { node: string }
    const to = node === 'n1' ? 'n2' : 'n1'
    const answer = await cluster.post(`/api/workers/${worker}/move`, { to })
    if (!MEANWHILE.test(JSON.stringify(answer.body))) return { to, ...answer }
  }
}
