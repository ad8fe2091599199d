import type { Store } from '../store.ts'

const LOOK_MS = 100

/** `Store.watch` for a file, which tells nobody of anything: a look at the few rows of the nodes. */
export function watchNode(
  store: Pick<Store, 'nodes'>,
  node: string,
  onEvicted: () => void,
): () => void {
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let told = 0
  const look = async (): Promise<void> => {
    // A store that does not answer now is asked again.
    const nodes = await store.nodes().catch(() => [])
    if (stopped) return
    const record = nodes.find(({ id }) => id === node)
    if (record?.status === 'evicted' && record.incarnation !== told) {
      told = record.incarnation
      onEvicted()
    }
    timer = setTimeout(() => void look(), LOOK_MS)
  }
  void look()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
