/** The worker of `bench-idle.ts`: some bytes of state, and nothing to do. */
import { Worker } from '../src/worker/index.ts'

/** `POST ?bytes=190` fills its state, `GET` tells how much there is. */
export default class Idle extends Worker<{ filling: string }> {
  fetch(request: Request): Response {
    if (request.method === 'POST') {
      const bytes = Number(new URL(request.url).searchParams.get('bytes'))
      this.state.set('filling', this.key.padEnd(bytes, '.'))
    }
    return new Response(String(this.state.get('filling')?.length ?? 0))
  }
}
