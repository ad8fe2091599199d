/** The worker of `bench-moves.ts`: state of any size, in sections that are written one by one. */
import { Worker } from '../src/worker/index.ts'

type BallastState = Record<string, number | Uint8Array>

/** `GET` reads; `POST ?from=0&to=8&bytes=65000` writes sections 0 to 7 and counts one write. */
export default class Ballast extends Worker<BallastState> {
  fetch(request: Request): Response {
    const writes = (this.state.get('writes') as number | undefined) ?? 0
    if (request.method !== 'POST') return Response.json({ writes, sections: this.state.size })
    const { searchParams } = new URL(request.url)
    const [from, to, bytes] = ['from', 'to', 'bytes'].map((name) => Number(searchParams.get(name)))
    for (let section = from!; section < to!; section++) {
      const value = Buffer.alloc(bytes!, section)
      value.writeUInt32BE(writes)
      this.state.set(`s${section}`, value)
    }
    this.state.set('writes', writes + 1)
    return Response.json({ writes: writes + 1 })
  }
}
