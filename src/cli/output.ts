/** What the commands print, and how they fail. stdout is for answers, stderr for everything else. */
import { type AriesError, ERRORS, toAriesError } from '../errors.ts'

export const EXIT = { ok: 0, failed: 1, usage: 2, config: 78 } as const

const CONTROL = /[\p{Cc}\u2028\u2029]/gu

/** Text of others without what could steer a terminal. */
export function harmless(text: string): string {
  return text.replace(CONTROL, (letter) => (letter === '\n' ? letter : '?'))
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2))
}

/** Progress and remarks, which do not belong to the answer. */
export function remark(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** A reader that went away (`| head`) is no error; output that cannot be written ends the command. */
export function quietPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(EXIT.ok)
      if (stream === process.stdout) remark(`aries: the output cannot be written: ${error.message}`)
      process.exit(EXIT.failed)
    })
  }
}

/** Prints what went wrong and what to do about it; returns the exit code. */
export function fail(thrown: unknown, json: boolean): number {
  const error = toAriesError(thrown)
  if (json) remark(JSON.stringify(error.toBody()))
  else remark(`aries: ${harmless(error.message)}\n  ${ERRORS[error.code].todo}`)
  if (process.env['ARIES_LOG'] === 'debug') remark(stackOf(thrown))
  return exitCodeOf(error)
}

export function exitCodeOf(error: AriesError): number {
  const config = error.code === 'ARIES_E_CONFIG' || error.code === 'ARIES_E_PORT_IN_USE'
  return config ? EXIT.config : EXIT.failed
}

function stackOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
}
