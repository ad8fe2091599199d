/**
 * A worker's committed state in one file: a line that says what it is, a line of JSON with the
 * worker's name and the names and lengths of its sections, their values one after the other, and the
 * SHA-256 of all that.
 */
import { createHash } from 'node:crypto'
import { AriesError } from '../errors.ts'
import type { WorkerId } from '../identity.ts'
import { checkCount, checkId, isSectionName, RECORD_BYTES_MAX } from './check.ts'
import { FROZEN_SECTION } from './frozen.ts'
import type { LoadedWorker, Section } from './store.ts'

const MAGIC = 'aries-checkpoint 1\n'
const DIGEST_BYTES = 32
const HEAD_BYTES_MAX = 64 * 1024 * 1024
/** The most a file may have: a state is recovered as one record. */
export const CHECKPOINT_BYTES_MAX = RECORD_BYTES_MAX + HEAD_BYTES_MAX

export interface CheckpointHead {
  readonly class: string
  readonly key: string
  /** Of the class that wrote the state. */
  readonly version: number
  readonly epoch: number
  /** Number of the last turn that it has. */
  readonly seq: number
  /** ISO 8601. */
  readonly takenAt: string
}

export interface Checkpoint extends CheckpointHead {
  readonly sections: readonly Section[]
}

interface FileHead extends CheckpointHead {
  readonly sections: readonly (readonly [name: string, bytes: number])[]
}

/** The bytes of the file, piece by piece. That the worker is frozen is no part of it. */
export function* encodeCheckpoint(
  id: WorkerId,
  { epoch, seq, version, sections }: LoadedWorker,
  takenAt: string,
): Generator<Uint8Array> {
  const kept = sections.filter(({ name }) => name !== FROZEN_SECTION)
  const lengths = kept.map(({ name, value }) => [name, value.byteLength] as const)
  const head: FileHead = { ...id, version, epoch, seq, takenAt, sections: lengths }
  const hash = createHash('sha256')
  const first = Buffer.from(`${MAGIC}${JSON.stringify(head)}\n`)
  yield hashed(first)
  for (const { value } of kept) yield hashed(value)
  yield hash.digest()

  function hashed(piece: Uint8Array): Uint8Array {
    hash.update(piece)
    return piece
  }
}

/** Throws `ARIES_E_CHECKPOINT` when `file` is none, or not as it was written. */
export function decodeCheckpoint(file: Buffer): Checkpoint {
  if (file.subarray(0, MAGIC.length).toString('latin1') !== MAGIC) {
    throw damaged('it does not begin as a checkpoint of this version of Aries does')
  }
  const end = file.length - DIGEST_BYTES
  const digest = createHash('sha256').update(file.subarray(0, Math.max(0, end)))
  if (end < MAGIC.length || !digest.digest().equals(file.subarray(end))) {
    throw damaged('its digest is not that of its content: it was cut off or changed')
  }
  const headEnd = file.indexOf(0x0a, MAGIC.length)
  const { sections, ...head } = parseHead(file.toString('utf8', MAGIC.length, headEnd))
  let at = headEnd + 1
  const values = sections.map(([name, bytes]): Section => {
    const value = file.subarray(at, at + bytes)
    at += bytes
    return { name, value }
  })
  if (at !== end) throw damaged('its sections are not as long as it says')
  return { ...head, sections: values }
}

/** Who wrote the digest may have written anything before it. */
function parseHead(text: string): FileHead {
  try {
    const {
      class: name,
      key,
      version,
      epoch,
      seq,
      takenAt,
      sections,
    } = JSON.parse(text) as FileHead
    checkId({ class: name, key })
    for (const [what, count] of Object.entries({ version, epoch, seq })) checkCount(what, count)
    for (const [section, bytes] of sections) {
      checkCount('bytes', bytes)
      if (!isSectionName(section) || section === FROZEN_SECTION) {
        throw new Error(`${JSON.stringify(section)} is no name of a section`)
      }
    }
    if (new Set(sections.map(([section]) => section)).size < sections.length) {
      throw new Error('it has a section twice')
    }
    return {
      class: name,
      key,
      version,
      epoch,
      seq,
      takenAt: new Date(takenAt).toISOString(),
      sections,
    }
  } catch (error) {
    throw damaged(error instanceof Error ? error.message : String(error))
  }
}

function damaged(why: string): AriesError {
  return new AriesError('ARIES_E_CHECKPOINT', `not a checkpoint that can be used: ${why}`)
}
