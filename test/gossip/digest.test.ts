import t from 'tap'
import { Bench, BOOT, claim, type Said } from './helpers.ts'

/** Bytes, claims apart from the sender's own and the receiver's, of what went between them. */
function told(said: readonly Said[], between: readonly string[]): string[] {
  return said.flatMap(({ packet }) =>
    packet.claims.map(({ id }) => id).filter((id) => !between.includes(id)),
  )
}

/** n1 asks n2, both of whom know 200 members; `lag`: those that n1 knows something older of. */
function exchange(lag: readonly string[], ahead: readonly string[]): string[] {
  const knowing = (selfId: string, newer: readonly string[]): Bench => {
    const made = new Bench(200, {}, selfId)
    made.handle({ type: 'start' })
    for (const { id } of made.map.nodes) {
      const version = newer.includes(id) ? 7 : 1
      if (id !== selfId) made.hear(id, { claims: [claim(id, { version })] })
    }
    return made
  }
  const [n1, n2] = [knowing('n1', ahead), knowing('n2', lag)]
  const said: Said[] = []
  // All that there was to tell is told.
  for (const one of [n1, n2]) one.pass(20_000)
  let question: Said | undefined
  while (!question) {
    question = n1.pass(500).find(({ packet }) => packet.sync?.type === 'ask')
  }
  const other = question.to
  const answers = n2.hear('n1', { ...question.packet, claims: [] })
  const back = answers
    .filter(({ to }) => to === 'n1')
    .flatMap(({ packet }) => n1.hear(other, { ...packet, claims: packet.claims }, BOOT))
  said.push(...answers.filter(({ to }) => to === 'n1'), ...back.filter(({ to }) => to === other))
  const between = ['n1', 'n2', other]
  for (const id of [...lag, ...ahead]) {
    if (between.includes(id)) continue
    t.equal(n1.core.member(id, n1.nowMs)!.version, 7, `n1 of ${id}`)
  }
  return told(said, between)
}

t.test('tables that agree exchange no claims, others those that differ', async (t) => {
  t.same(exchange([], []), [])
  const few = exchange(['n50', 'n51'], ['n90'])
  for (const id of ['n50', 'n51', 'n90']) t.ok(few.includes(id), id)
  t.ok(few.length < 40, `${few.length} claims`)
})
