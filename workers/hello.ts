import type { TaskContext } from '../src/worker/task.ts'

/** `GET /hello`: a greeting; as JSON when the client asks for that. */
export default function hello(request: Request, ctx: TaskContext): Response {
  const greeting = `hello from ${ctx.node}`
  if (request.headers.get('accept')?.includes('application/json')) {
    return Response.json({ greeting, node: ctx.node })
  }
  return new Response(`${greeting}\n`, { headers: { 'content-type': 'text/plain; charset=utf-8' } })
}
