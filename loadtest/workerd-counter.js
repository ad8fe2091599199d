/** The counter of `workers/counter.ts` as a Durable Object; its output gate waits for the disk. */
export class Counter {
  constructor(state) {
    this.storage = state.storage
  }

  async fetch() {
    const value = ((await this.storage.get('value')) ?? 0) + 1
    this.storage.put('value', value)
    return Response.json({ value })
  }
}

export default {
  fetch(request, env) {
    const { pathname } = new URL(request.url)
    return env.COUNTER.get(env.COUNTER.idFromName(pathname)).fetch(request)
  },
}
