/**
 * What the store takes. Calls are gathered into shared transactions, so a value that a database
 * would choke on must be refused before it gets in: it would fail the others with it.
 */
import { AriesError } from '../errors.ts'
import { formatWorkerId, KEY_BYTES_MAX, type WorkerId } from '../identity.ts'
import type { ClaimRequest, CommitRecord, JobWrite } from './store.ts'

/** Longest section name in UTF-8 bytes: it is part of a primary key. */
export const NAME_BYTES_MAX = 512
/** Most bytes of values in one record; PostgreSQL takes no parameter over 1 GB. */
export const RECORD_BYTES_MAX = 256 * 1024 * 1024

/** Longest body of a job in UTF-8 bytes. */
export const JOB_BODY_BYTES_MAX = 65_536

/** PostgreSQL's text holds no NUL, and lone surrogates of different names become equal in UTF-8. */
function isText(text: string, bytesMax: number): boolean {
  return (
    text.length <= bytesMax &&
    text.isWellFormed() &&
    !text.includes('\0') &&
    (text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax)
  )
}

/** Throws `ARIES_E_BAD_REQUEST` for a class or key that no store can keep. */
export function checkId(id: WorkerId): void {
  for (const part of [id.class, id.key]) {
    if (part === '' || !isText(part, KEY_BYTES_MAX)) {
      throw new AriesError(
        'ARIES_E_BAD_REQUEST',
        `a worker's class and key are 1 to ${KEY_BYTES_MAX} bytes of Unicode text without NUL`,
      )
    }
  }
}

export function checkNode(node: string): void {
  if (node === '' || !isText(node, KEY_BYTES_MAX)) refuse(`"${node.slice(0, 80)}" is no node id`)
}

/** Incarnations, epochs, turn numbers and milliseconds: whole, not negative, exact in a double. */
export function checkCount(what: string, count: number): void {
  if (!Number.isSafeInteger(count) || count < 0) refuse(`${what}: ${count} is not a whole number`)
}

export function checkAlarmRange(afterMs: number, beforeMs: number, limit: number): void {
  checkCount('afterMs', afterMs)
  checkCount('beforeMs', beforeMs)
  checkCount('limit', limit)
}

export function checkClaim(request: ClaimRequest): void {
  checkId(request.id)
  checkNode(request.node)
  checkCount('incarnation', request.incarnation)
  checkCount('epoch', request.fromEpoch)
  if (request.classVersion !== undefined) checkCount('classVersion', request.classVersion)
}

export function checkJob({ row, by }: JobWrite): void {
  checkNode(by.node)
  checkCount('incarnation', by.incarnation)
  checkCount('incarnation', row.incarnation)
  checkCount('version', row.version)
  if (row.node !== '') checkNode(row.node)
  if (!/^[a-z0-9]{1,32}$/.test(row.id)) refuse(`"${row.id.slice(0, 80)}" is no id of a job`)
  if (!isText(row.body, JOB_BODY_BYTES_MAX)) refuse(`a job takes ${JOB_BODY_BYTES_MAX} bytes`)
}

export function checkRecord(record: CommitRecord): void {
  checkId(record.id)
  checkCount('epoch', record.epoch)
  checkCount('seq', record.seq)
  if (record.version !== undefined) checkCount('version', record.version)
  for (const name of record.remove) checkName(record.id, name)
  for (const section of record.set) checkName(record.id, section.name)
  if (recordBytes(record) > RECORD_BYTES_MAX) {
    refuse(`${formatWorkerId(record.id)}: one turn changed over ${RECORD_BYTES_MAX} bytes`)
  }
}

/** Bytes of all values that the record sets. */
export function recordBytes(record: CommitRecord): number {
  let bytes = 0
  for (const section of record.set) bytes += section.value.byteLength
  return bytes
}

/** Throws `ARIES_E_STORE_NEWER` when the schema that was found is newer than the code that is to use it. */
export function checkSchema(found: number, known: number): void {
  if (found <= known) return
  throw new AriesError(
    'ARIES_E_STORE_NEWER',
    `the store has schema version ${found}, made by a newer Aries; this one knows ${known}`,
  )
}

/** Whether `name` may be the name of a section. */
export function isSectionName(name: string): boolean {
  return isText(name, NAME_BYTES_MAX)
}

function checkName(id: WorkerId, name: string): void {
  if (isSectionName(name)) return
  refuse(
    `${formatWorkerId(id)}: the name of a section is at most ${NAME_BYTES_MAX} bytes of Unicode text without NUL`,
  )
}

function refuse(message: string): never {
  throw new AriesError('ARIES_E_STORE', message)
}
