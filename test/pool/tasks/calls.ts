import { CallError, type Task } from '../../../src/worker/index.ts'
import type Ledger from '../../host/fixtures/ledger.ts'

/** Calls a ledger as the query says. */
const calls: Task = async (request, ctx) => {
  const { searchParams } = new URL(request.url)
  const key = searchParams.get('key')
  const ledger = ctx.workers
    .get<Ledger>('ledger', searchParams.get('to') ?? 'a')
    .with(key === null ? {} : { key })
  try {
    switch (searchParams.get('do')) {
      case 'add':
        return Response.json({ value: await ledger.call.add(1) })
      case 'fetch':
        return await ledger.fetch('/x', { method: 'POST', body: 'hello' })
      case 'abort':
        return Response.json(
          await ledger.with({ signal: AbortSignal.timeout(50) }).call.wait(60_000),
        )
      case 'leave': {
        // Nobody waits for it any more when the task has ended.
        void ledger.call.wait(10).catch(() => undefined)
        return new Response('left')
      }
      case 'many': {
        const all = Array.from({ length: 5 }, () => ledger.call.wait(50))
        const ended = await Promise.allSettled(all)
        return Response.json(
          ended.map((one) => (one.status === 'fulfilled' ? 'ok' : (one.reason as CallError).code)),
        )
      }
      default:
        await ledger.call.wait(60_000)
        return new Response('waited')
    }
  } catch (error) {
    if (!(error instanceof CallError)) return Response.json({ other: (error as Error).name })
    const { code, message, worker } = error
    return Response.json({ code, message, worker })
  }
}

export default calls
