/**
 * `POST /owners` at the data port of a node: what a shard of a front asks at one time, each question
 * answered by a line as soon as its owner is found, in any order. An exchange for each would cost
 * both sides more than all else that a new worker takes.
 */
import { StringDecoder } from 'node:string_decoder'
import { AriesError, type ErrorBody, fromBody } from './errors.ts'
import type { WorkerId } from './identity.ts'
import { count, either, list, owner, record, text } from './shapes.ts'
import type { OwnerAddress } from './wire.ts'

/** Who owns the worker? See `resolve` in `rpc.ts`. */
export type OwnerQuestion = WorkerId & {
  /** An owner that the caller could not reach. */
  readonly suspect?: { readonly node: string; readonly epoch: number }
}

export const OWNERS_PATH = '/owners'
export const OWNERS_TYPE = 'application/x-ndjson'
/** In one request. */
export const QUESTIONS_MAX = 256
/** An owner takes a hundred bytes, an error says which nodes would not have the worker. */
const LINE_CHARS_MAX = 256 * 1024

const isQuestions = list(record({ class: text, key: text }))
const isAnswer = either(owner, record({ error: record({ code: text, message: text }) }))

/** The questions in the body of a request. Throws `ARIES_E_BAD_REQUEST`. */
export function questionsIn(body: object): readonly OwnerQuestion[] {
  const { questions } = body as { questions?: readonly OwnerQuestion[] }
  if (isQuestions(questions) && questions!.length > 0 && questions!.length <= QUESTIONS_MAX) {
    return questions!
  }
  throw new AriesError('ARIES_E_BAD_REQUEST', `1 to ${QUESTIONS_MAX} questions are needed`)
}

/** The line that answers question `n`, counted from 0. */
export function answerLine(n: number, answer: OwnerAddress | ErrorBody): string {
  return `${JSON.stringify([n, answer])}\n`
}

/** Reads the lines of an answer. Throws on what is none, or answers what nobody asked. */
export class AnswerDecoder {
  readonly #text = new StringDecoder('utf8')
  readonly #open: Set<number>
  #rest = ''

  constructor(questions: number) {
    this.#open = new Set(Array.from({ length: questions }, (_, n) => n))
  }

  push(chunk: Buffer): [n: number, answer: OwnerAddress | AriesError][] {
    const lines = (this.#rest + this.#text.write(chunk)).split('\n')
    this.#rest = lines.pop()!
    if (this.#rest.length > LINE_CHARS_MAX) throw new Error('a line of an answer is too long')
    return lines.map((line) => this.#read(line))
  }

  #read(line: string): [number, OwnerAddress | AriesError] {
    const read: unknown = JSON.parse(line)
    const [n, answer] = Array.isArray(read) ? (read as unknown[]) : []
    if (!count(n) || !this.#open.delete(n as number) || !isAnswer(answer)) {
      throw new Error('a line of an answer is none')
    }
    return [n as number, fromBody(answer) ?? (answer as OwnerAddress)]
  }
}
