import { Worker } from '../src/worker/index.ts'

/** Counts: `POST` adds one, `GET` reads. What was answered survives any crash. */
export default class Counter extends Worker<{ value: number }> {
  fetch(request: Request): Response {
    const before = this.state.get('value') ?? 0
    if (request.method === 'GET') return this.#answer(before)
    if (request.method !== 'POST') {
      return Response.json(
        { error: 'POST adds one, GET reads' },
        { status: 405, headers: { allow: 'GET, POST' } },
      )
    }
    this.state.set('value', before + 1)
    return this.#answer(before + 1)
  }

  #answer(value: number): Response {
    return Response.json({ key: this.key, value, node: this.node })
  }
}
