/** What is checked of messages between hosts before they are used: see `messages.ts`. */
import { count, figure, list, optional, record, type Shapes, text, workerName } from '../shapes.ts'

const sections = list(record({ name: text }))
const check = { version: count, count, digest: figure }

export const TO_TARGET: Shapes = {
  prepare: { worker: workerName, from: text, epoch: count, stateBytes: count, version: count },
  sections: { seq: count, set: sections },
  changes: { seq: count, set: sections, remove: list(text) },
  probe: { n: count },
  fence: { seq: count, ...check, whole: optional(sections), sessions: list(record({})) },
  abort: { why: text },
}

export const TO_SOURCE: Shapes = {
  prepared: {},
  refused: { why: text, code: optional(text) },
  applied: { n: count },
  committed: { epoch: count, commitMs: figure },
  failed: { why: text, code: optional(text) },
}

export const TO_STANDBY: Shapes = {
  follow: { stream: count, worker: workerName, from: text, epoch: count, stateBytes: count },
  sections: { stream: count, seq: count, set: sections },
  changes: {
    stream: count,
    seq: count,
    committed: count,
    set: sections,
    remove: list(text),
    ...check,
  },
  copied: { stream: count, seq: count, committed: count, ...check },
  unfollow: { stream: count },
}

export const FROM_STANDBY: Shapes = {
  following: { stream: count },
  unfollowed: { stream: count, why: text },
}
