/** One task with every good and bad manner that the tests need: `?do=…`. */
import { threadId } from 'node:worker_threads'
import type { TaskContext } from '../../../src/worker/task.ts'

const kept: unknown[] = []

const deeds: Record<string, (request: Request, query: URLSearchParams) => unknown> = {
  thread: () => Response.json({ threadId }),
  echo: async (request) =>
    Response.json({
      method: request.method,
      url: request.url,
      headers: [...request.headers],
      body: await request.text(),
    }),
  sleep: async (_request, query) => {
    await new Promise((resolve) => setTimeout(resolve, Number(query.get('ms'))))
    return new Response('slept')
  },
  cookies: () =>
    new Response(null, {
      status: 204,
      headers: [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['aries-owner', 'n9;127.0.0.1:1;7'],
        ['connection', 'close'],
      ],
    }),
  large: (_request, query) => new Response('x'.repeat(Number(query.get('bytes')))),
  endless: () =>
    new Response(
      new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) }),
    ),
  loop: () => {
    for (;;);
  },
  throw: () => {
    throw new Error('thrown on purpose')
  },
  throwString: () => {
    throw 'only a string'
  },
  nothing: () => undefined,
  reject: () => {
    void Promise.reject(new Error('rejected and not handled'))
    return new Promise(() => {})
  },
  exit: () => process.exit(7),
  /** Answers, and fails a moment later, when another task may run in the thread. */
  stray: () => {
    setTimeout(() => {
      throw new Error('failed after the answer')
    }, 20)
    return new Response('answered')
  },
  heap: () => {
    const all: unknown[] = []
    for (;;) all.push({ at: all.length, text: `item ${all.length}` })
  },
  /** Doubles a table of hundreds of megabytes at once: far beyond any limit in one allocation. */
  map: () => {
    const map = new Map<number, number>()
    for (let i = 0; ; i++) map.set(i, i)
  },
  buffers: () => {
    for (;;) kept.push(Buffer.alloc(4_000_000, 1))
  },
  /** Ends well each time, and leaves 10 MB off the heap behind each time. */
  leak: () => {
    kept.push(Buffer.alloc(10_000_000, 1))
    return Response.json({ threadId })
  },
}

export default function run(request: Request, _ctx: TaskContext): Response | Promise<Response> {
  const query = new URL(request.url).searchParams
  return deeds[query.get('do') ?? '']!(request, query) as Response
}
