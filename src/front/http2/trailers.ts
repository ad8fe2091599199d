import { passableTrailers } from '../../http1/chunk-decoder.ts'
import { isFieldValue, isToken } from '../../http1/grammar.ts'

/** Trailers, names and values by turns, as lines that may be passed on. Throws `ARIES_E_BAD_REQUEST`. */
export function trailerLines(raw: readonly string[]): string {
  let text = ''
  for (let i = 0; i < raw.length; i += 2) {
    if (isToken(raw[i]!) && isFieldValue(raw[i + 1]!)) text += `${raw[i]}: ${raw[i + 1]}\r\n`
  }
  return text === '' ? '' : passableTrailers(`${text}\r\n`)
}
