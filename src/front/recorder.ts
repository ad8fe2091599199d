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
  readonly exported: readonly RequestDetail[]
  /** Those that were too many to be exported. */
  readonly dropped: number
}

/** Which requests of a shard have a recording, and what was recorded since it was asked last. */
export class Recorder {
  readonly #random: Random
  readonly #base: { readonly front: string; readonly shard: number }
  #explain: ConfigFile['front']['explain']
  /** So many may be exported until the next `take`. */
  #exportMax = 0
  #explained: RequestDetail[] = []
  #exported: RequestDetail[] = []
  #dropped = 0
  #count = 0
  /** Begun since the last `take`. */
  #explains = 0
  #exports = 0
  readonly #keep = (recording: Recording): void => {
    if (recording.explains) this.#explained.push(recording.detail)
    if (recording.exports) this.#exported.push(recording.detail)
  }

  constructor(
    components: { readonly random: Random },
    init: { readonly front: string; readonly shard: number },
  ) {
    this.#random = components.random
    this.#base = init
  }

  set({ explain, trace }: Pick<ConfigFile['front'], 'explain' | 'trace'>): void {
    this.#explain = explain
    this.#exportMax = trace?.export?.queueMax ?? 0
  }

  /** Undefined for nearly all. `isTrusted`: the request comes from a trusted proxy. */
  begin(head: ClientRequest, isTrusted: boolean): Recording | undefined {
    const explains = this.#explain !== undefined && this.#isExplained(head, isTrusted)
    const exports = head.sampled && this.#exportMax > 0 && this.#isExported()
    if (!explains && !exports) return undefined
    const id = head.requestId ?? head.traceId ?? this.#ownId()
    return new Recording(head, { ...this.#base, id, explains, exports }, this.#keep)
  }

  /** Those that have ended since the last call. Call once a second. */
  take(): Recorded | undefined {
    this.#explains = 0
    this.#exports = 0
    const taken = { explained: this.#explained, exported: this.#exported, dropped: this.#dropped }
    if (taken.explained.length + taken.exported.length + taken.dropped === 0) return undefined
    this.#explained = []
    this.#exported = []
    this.#dropped = 0
    return taken
  }

  #isExplained(head: ClientRequest, isTrusted: boolean): boolean {
    const { keep, sample } = this.#explain!
    if (this.#explains >= keep) return false
    const isAsked = isTrusted && head.fields.get(EXPLAIN_HEADER) !== undefined
    if (!isAsked && this.#random.next() >= sample) return false
    this.#explains += 1
    return true
  }

  #isExported(): boolean {
    if (this.#exports >= this.#exportMax) {
      this.#dropped += 1
      return false
    }
    this.#exports += 1
    return true
  }

  #ownId(): string {
    this.#count += 1
    return `${this.#base.front}-${this.#base.shard}-${this.#count}`
  }
}
