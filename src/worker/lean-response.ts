/**
 * A `Response` that is built only when somebody looks into it. Node's makes a stream of every body,
 * which costs more than all else that a host does for a small request, and most responses are a text
 * that a worker returns and its host sends. Such a one is kept as it was given; whatever else is
 * asked of it, Node's own answers.
 */

const Native = globalThis.Response

type Body = ConstructorParameters<typeof Response>[0]

/** A response as its author gave it, not yet looked into. */
export interface LeanParts {
  readonly status: number
  /** Empty: none. */
  readonly body: string
  readonly contentType: string | undefined
  /** With the content type. */
  readonly headers: Headers | undefined
}

const TEXT = 'text/plain;charset=UTF-8'
const JSON_TYPE = 'application/json'

function isBare(status: number): boolean {
  return status === 204 || status === 205 || status === 304
}

/** What can be kept; undefined: Node's own must see to it, and to what is wrong with it. */
function partsOf(
  body: unknown,
  init: ResponseInit | undefined,
  contentType: string,
): LeanParts | undefined {
  const isEmpty = body === null || body === undefined
  if (!isEmpty && typeof body !== 'string') return undefined
  const own = { body: isEmpty ? '' : body, contentType: isEmpty ? undefined : contentType }
  if (init === undefined) return { status: 200, headers: undefined, ...own }
  if (typeof init !== 'object' || init === null) return undefined
  const { status = 200, statusText, headers: given } = init
  if (statusText !== undefined || !Number.isInteger(status)) return undefined
  if (status < 200 || status > 599 || (!isEmpty && isBare(status))) return undefined
  if (given === undefined) return { status, headers: undefined, ...own }
  const headers = new Headers(given)
  if (!isEmpty && !headers.has('content-type')) headers.set('content-type', contentType)
  return { status, headers, ...own }
}

class LeanResponse {
  #parts: LeanParts | undefined
  #native: Response | undefined

  constructor(body?: unknown, init?: ResponseInit) {
    this.#parts = partsOf(body, init, TEXT)
    if (this.#parts === undefined) this.#native = new Native(body as Body, init)
  }

  static json(data: unknown, init?: ResponseInit): LeanResponse {
    // Of what JSON has no text for there is none, whatever the type says.
    const text = JSON.stringify(data) as string | undefined
    const response = new LeanResponse()
    response.#parts = partsOf(text, init, JSON_TYPE)
    if (text === undefined) response.#native = Native.json(text)
    else if (response.#parts === undefined) {
      const headers = new Headers(init?.headers)
      if (!headers.has('content-type')) headers.set('content-type', JSON_TYPE)
      response.#native = new Native(text, { ...init, headers })
    }
    return response
  }

  /** `instanceof` holds for those of Node, e.g. of `fetch`, too. */
  static [Symbol.hasInstance](value: unknown): boolean {
    return Native[Symbol.hasInstance](value)
  }

  static parts(value: object): LeanParts | undefined {
    return #parts in value ? value.#parts : undefined
  }

  /** Node's own; from now on that is what counts. */
  static native(value: LeanResponse): Response {
    const parts = value.#parts
    if (parts !== undefined) {
      value.#parts = undefined
      const { status, body, contentType, headers } = parts
      const given = headers ?? (contentType === undefined ? {} : { 'content-type': contentType })
      value.#native = new Native(contentType === undefined ? null : body, {
        status,
        headers: given,
      })
    }
    return value.#native!
  }

  get status(): number {
    return this.#parts?.status ?? this.#native!.status
  }

  get ok(): boolean {
    return this.status >= 200 && this.status <= 299
  }
}

/** Everything else is Node's. */
function delegate(): void {
  const own = new Set<string | symbol>(Reflect.ownKeys(LeanResponse.prototype))
  for (const name of Reflect.ownKeys(Native.prototype)) {
    const described = Object.getOwnPropertyDescriptor(Native.prototype, name)!
    if (own.has(name) || name === Symbol.toStringTag) continue
    if (described.get) {
      const { get } = described
      described.get = function (this: LeanResponse) {
        return get.call(LeanResponse.native(this))
      }
    } else if (typeof described.value === 'function') {
      const call = described.value as (...args: unknown[]) => unknown
      described.value = function (this: LeanResponse, ...args: unknown[]) {
        return call.apply(LeanResponse.native(this), args)
      }
    }
    Object.defineProperty(LeanResponse.prototype, name, described)
  }
  Object.setPrototypeOf(LeanResponse.prototype, Native.prototype)
  Object.setPrototypeOf(LeanResponse, Native)
  Object.defineProperty(LeanResponse, 'name', { value: 'Response' })
}

/** Puts it in the place of Node's `Response` in this process; once, before authors' code is loaded. */
export function useLeanResponse(): void {
  delegate()
  Object.defineProperty(globalThis, 'Response', {
    value: LeanResponse,
    writable: true,
    configurable: true,
    enumerable: false,
  })
}

/** The parts of a response that nobody has looked into; undefined: its stream must be read. */
export function leanParts(response: Response): LeanParts | undefined {
  return LeanResponse.parts(response)
}
