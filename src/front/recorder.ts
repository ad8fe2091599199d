import type { ConfigFile } from '../config/schema.ts'
import type { Random } from '../world.ts'
import type { ClientRequest } from './http1/client-request.ts'
import { Recording } from './recording.ts'
import type { RequestDetail } from './request-detail.ts'

/** Of a trusted proxy: this request is to be explained. */
const EXPLAIN_HEADER = 'aries-explain'

/** What `Recorder.take` tells. */
export interface Recorded {
  readonly explained: readonly RequestDetail[]
}

/** Which requests of a shard have a recording, and what was recorded since it was asked last. */
export class Recorder {
  readonly #random: Random
  readonly #base: { readonly front: string; readonly shard: number }
  #explain: ConfigFile['front']['explain']
  #explained: RequestDetail[] = []
  #count = 0
  /** As many as are kept may be begun until the next `take`. */
  #begun = 0
  readonly #keep = (recording: Recording): void => {
    if (recording.explains) this.#explained.push(recording.detail)
  }

  constructor(
    components: { readonly random: Random },
    init: { readonly front: string; readonly shard: number },
  ) {
    this.#random = components.random
    this.#base = init
  }

  set({ explain }: Pick<ConfigFile['front'], 'explain'>): void {
    this.#explain = explain
  }

  /** Undefined for nearly all. `isTrusted`: the request comes from a trusted proxy. */
  begin(head: ClientRequest, isTrusted: boolean): Recording | undefined {
    const explains = this.#explains(head, isTrusted)
    if (!explains) return undefined
    this.#begun += 1
    const id = head.requestId ?? head.traceId ?? this.#ownId()
    return new Recording(head, { ...this.#base, id, explains, exports: false }, this.#keep)
  }

  /** Those that have ended since the last call. Call once a second. */
  take(): Recorded | undefined {
    this.#begun = 0
    if (this.#explained.length === 0) return undefined
    const explained = this.#explained
    this.#explained = []
    return { explained }
  }

  #explains(head: ClientRequest, isTrusted: boolean): boolean {
    if (this.#explain === undefined || this.#begun >= this.#explain.keep) return false
    if (this.#random.next() < this.#explain.sample) return true
    return isTrusted && head.fields.get(EXPLAIN_HEADER) !== undefined
  }

  #ownId(): string {
    this.#count += 1
    return `${this.#base.front}-${this.#base.shard}-${this.#count}`
  }
}
