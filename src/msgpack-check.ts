/** Whole lengths of those that have one. */
const HEAD_BYTES: Readonly<Record<number, number>> = {
  [0xc0]: 1,
  [0xc2]: 1,
  [0xc3]: 1,
  [0xca]: 5,
  [0xcb]: 9,
  [0xcc]: 2,
  [0xcd]: 3,
  [0xce]: 5,
  [0xcf]: 9,
  [0xd0]: 2,
  [0xd1]: 3,
  [0xd2]: 5,
  [0xd3]: 9,
}

/** Those that name the length of their content, and how many bytes that takes. */
const LENGTH_BYTES: Readonly<Record<number, number>> = {
  [0xc4]: 1,
  [0xc5]: 2,
  [0xc6]: 4,
  [0xd9]: 1,
  [0xda]: 2,
  [0xdb]: 4,
}

/** How msgpackr writes `undefined`: the one extension that is plain data. */
const UNDEFINED = [0xd4, 0, 0] as const

/**
 * Whether `bytes` are one whole value of MessagePack, of plain data and no deeper than `depthMax`, in
 * which nothing claims to be longer than the bytes that there are. A decoder makes arrays and maps as
 * large as they say, so five bytes of a stranger would cost it hundreds of megabytes.
 */
export function isMsgpack(bytes: Uint8Array, depthMax: number): boolean {
  /** Values still to come, for each array or map that is open. */
  const open: number[] = []
  let at = 0
  do {
    const head = readHead(bytes, at)
    if (!head || head.next > bytes.length) return false
    at = head.next
    if (head.values > 0) {
      if (head.values > bytes.length - at || open.length >= depthMax) return false
      open.push(head.values)
      continue
    }
    while (open.length > 0 && --open[open.length - 1]! === 0) open.pop()
  } while (open.length > 0)
  return at === bytes.length
}

/** Where the value at `at` ends, without the values in it; how many those are. */
function readHead(bytes: Uint8Array, at: number): { next: number; values: number } | undefined {
  const code = bytes[at]
  if (code === undefined) return undefined
  if (code < 0x80 || code >= 0xe0) return { next: at + 1, values: 0 }
  if (code < 0x90) return { next: at + 1, values: 2 * (code & 15) }
  if (code < 0xa0) return { next: at + 1, values: code & 15 }
  if (code < 0xc0) return { next: at + 1 + (code & 31), values: 0 }
  const fixed = HEAD_BYTES[code]
  if (fixed !== undefined) return { next: at + fixed, values: 0 }
  if (code >= 0xdc) {
    const lengthBytes = code % 2 === 0 ? 2 : 4
    const length = readLength(bytes, at + 1, lengthBytes)
    const values = code >= 0xde ? 2 * length : length
    return { next: at + 1 + lengthBytes, values }
  }
  if (UNDEFINED.every((byte, i) => bytes[at + i] === byte)) {
    return { next: at + UNDEFINED.length, values: 0 }
  }
  const lengthBytes = LENGTH_BYTES[code]
  if (lengthBytes === undefined) return undefined
  const length = readLength(bytes, at + 1, lengthBytes)
  return { next: at + 1 + lengthBytes + length, values: 0 }
}

/** What is missing at the end counts as zero: the caller sees that the value ends behind it. */
function readLength(bytes: Uint8Array, at: number, lengthBytes: number): number {
  let length = 0
  for (let i = 0; i < lengthBytes; i++) length = length * 256 + (bytes[at + i] ?? 0)
  return length
}
