import type { ExchangeRecord } from './http1/stats.ts'

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
/** What could end the quoted request early, or steer a terminal. */
const UNSAFE = /["\\\p{Cc}]/gu

/**
 * One line of the common log format of the NCSA servers, as Apache writes it: host, identity, user,
 * time, request, status, bytes of the answer's body. What is not known is `-`.
 */
export function commonLine(record: ExchangeRecord, at: Date): string {
  const { remoteAddress, method, target, status, bytesOut } = record
  const request = method === '' ? '-' : `${method} ${target} HTTP/${record.version}`
  const bytes = bytesOut === 0 ? '-' : String(bytesOut)
  return `${remoteAddress} - - [${timeOf(at)}] "${request.replace(UNSAFE, escaped)}" ${status} ${bytes}\n`
}

function timeOf(at: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0')
  const day = `${two(at.getUTCDate())}/${MONTHS[at.getUTCMonth()]}/${at.getUTCFullYear()}`
  return `${day}:${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} +0000`
}

function escaped(letter: string): string {
  if (letter === '"' || letter === '\\') return `\\${letter}`
  return `\\x${letter.codePointAt(0)!.toString(16).padStart(2, '0')}`
}
