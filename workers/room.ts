import { Worker, type WorkerSocket } from '../src/worker/index.ts'

const KEPT = 100
const TEXT_LENGTH_MAX = 4_000

interface Message {
  readonly seq: number
  readonly from: string
  readonly text: string
}

/** The last messages lie in a ring of entries, so that a turn writes one small one. */
interface RoomState {
  seq: number
  [slot: `message${number}`]: Message
}

/** A chat room: what one client sends reaches all, numbered; `GET` returns the last 100 messages. */
export default class Room extends Worker<RoomState> {
  fetch(request: Request): Response {
    if (request.method !== 'GET') {
      return Response.json(
        { error: 'GET returns the last messages; connect a WebSocket to talk' },
        { status: 405, headers: { allow: 'GET' } },
      )
    }
    return Response.json(this.#messages())
  }

  override webSocketOpen(): void {}

  override webSocketMessage(ws: WorkerSocket, data: string | Uint8Array): void {
    if (typeof data !== 'string' || data.length > TEXT_LENGTH_MAX) {
      ws.close(1008, `a message is text of up to ${TEXT_LENGTH_MAX} characters`)
      return
    }
    const seq = (this.state.get('seq') ?? 0) + 1
    const message: Message = { seq, from: nameOf(ws), text: data }
    this.state.set('seq', seq)
    this.state.set(`message${seq % KEPT}`, message)
    const text = JSON.stringify(message)
    for (const socket of this.webSockets) socket.send(text)
  }

  #messages(): Message[] {
    const last = this.state.get('seq') ?? 0
    const messages: Message[] = []
    for (let seq = Math.max(1, last - KEPT + 1); seq <= last; seq++) {
      const message = this.state.get(`message${seq % KEPT}`)
      if (message) messages.push(message)
    }
    return messages
  }
}

/** The name that the client gave as `?from=…`, else its session. */
function nameOf(ws: WorkerSocket): string {
  const query = ws.url.indexOf('?')
  const given = query < 0 ? null : new URLSearchParams(ws.url.slice(query)).get('from')
  return given?.slice(0, 64) || ws.id
}
