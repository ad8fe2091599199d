/** Bugs to be found by the simulation of moves: each a change to one place of one file. */

export interface Bug {
  /** What is wrong then. */
  readonly name: string
  readonly phase: 'prepare' | 'copy' | 'fence' | 'commit' | 'switch' | 'clean' | 'rest'
  /** Below `src`. */
  readonly file: string
  /** Stands in the file exactly once. */
  readonly find: string
  readonly replace: string
  /** It is found within so many seeds from 1 on. */
  readonly seeds: number
}

export const BUGS: readonly Bug[] = [
  {
    name: 'a move that breaks before its fence has no end',
    phase: 'prepare',
    file: 'move/source.ts',
    find: "return [send({ type: 'abort', why }), ...this.#end({ kind: 'aborted', why }, nowMs)]\n      case 'fence':",
    replace: "return [send({ type: 'abort', why })]\n      case 'fence':",
    seeds: 400,
  },
  {
    name: 'what turns change during the copy is not sent',
    phase: 'copy',
    file: 'move/source.ts',
    find: "(this.#phase !== 'copy' && this.#phase !== 'fence')) return []",
    replace: "this.#phase !== 'fence') return []",
    seeds: 200,
  },
  {
    name: 'the fence does not wait for the commits under way',
    phase: 'fence',
    file: 'host/open-worker.ts',
    find: 'this.#gate.size > 0',
    replace: 'false',
    seeds: 200,
  },
  {
    name: 'a source goes on under its old epoch when it hears nothing',
    phase: 'commit',
    file: 'move/source.ts',
    find: "return [this.#enter('reclaim', nowMs, undefined), this.#claim()]",
    replace:
      "return [{ do: 'resume', epoch: this.init.epoch }, ...this.#end({ kind: 'aborted', why }, nowMs)]",
    seeds: 400,
  },
  {
    name: 'a target whose claim has no answer takes it for granted',
    phase: 'commit',
    file: 'move/target.ts',
    find: "return [{ do: 'timer', delayMs: CLAIM_RETRY_MS }]",
    replace: 'return this.#open(this.#epoch + 1, true, nowMs)',
    seeds: 400,
  },
  {
    name: 'a source that lost the claim goes on all the same',
    phase: 'commit',
    file: 'move/source.ts',
    find: 'if (outcome.node === this.init.target) return this.#handOver(outcome.epoch, 0, nowMs)',
    replace: 'if (outcome.node === this.init.target) return this.#resume(outcome.epoch, nowMs)',
    seeds: 400,
  },
  {
    name: 'what waited at the source is not sent on',
    phase: 'switch',
    file: 'host/move-source.ts',
    find: 'mail.moved(owner)',
    replace: '',
    seeds: 60,
  },
  {
    name: 'the fronts are not told where the sessions went',
    phase: 'switch',
    file: 'host/sessions.ts',
    find: "link.send({ type: 'moved', sids, worker: worker.name, owner })",
    replace: '',
    seeds: 60,
  },
  {
    name: 'a worker opens from the store while a move claims it, without its sessions',
    phase: 'switch',
    file: 'host/host.ts',
    find: 'await this.#moves.claimed(id)',
    replace: '',
    seeds: 600,
  },
  {
    name: 'the control loop does not hear that a source took its worker back',
    phase: 'clean',
    file: 'host/moves.ts',
    find: "onReclaimed: (of, epoch) => send({ type: 'arrived', id: of, epoch }),",
    replace: 'onReclaimed: () => undefined,',
    seeds: 200,
  },
  {
    name: 'a worker that has moved is thought to be moving for ever',
    phase: 'clean',
    file: 'host/moves.ts',
    find: 'this.#leaving.delete(name)',
    replace: '',
    seeds: 30,
  },
  {
    name: 'an answer leaves before its commit',
    phase: 'rest',
    file: 'host/gate.ts',
    find: 'if (this.#held.length === 0 && afterSeq <= this.#committedSeq) release(held)',
    replace: 'if (this.#held.length === 0) release(held)',
    seeds: 60,
  },
  {
    name: 'a failed commit is taken for one that was not sent',
    phase: 'rest',
    file: 'host/open-worker.ts',
    find: 'held.ownSeq !== 0 && held.ownSeq <= unknownSeq',
    replace: 'false',
    seeds: 400,
  },
  {
    name: 'replies are forgotten when the worker opens',
    phase: 'rest',
    file: 'host/replies.ts',
    find: 'if (name.startsWith(PREFIX)) found',
    replace: 'if (name.startsWith("?")) found',
    seeds: 200,
  },
  {
    name: 'a control loop that was paused vouches without asking the store',
    phase: 'rest',
    file: 'node/voucher.ts',
    find: 'const doubted = nowMs < this.#doubtUntilMs',
    replace: 'const doubted = false',
    seeds: 600,
  },
  {
    name: 'a host answers reads though nobody vouches for it',
    phase: 'rest',
    file: 'host/vouch.ts',
    find: 'return machineMs() < this.#untilMs',
    replace: 'return true',
    seeds: 600,
  },
  {
    name: 'an epoch whose commit is in doubt is resumed',
    phase: 'rest',
    file: 'node/ownership.ts',
    find: 'record.epoch > (this.#spent.get(name) ?? 0)',
    replace: 'record.epoch > 0',
    seeds: 600,
  },
  {
    name: 'a node is taken for dead without a last word',
    phase: 'rest',
    file: 'node/ownership.ts',
    find: 'if (isRefused(error)) await',
    replace: 'await',
    seeds: 600,
  },
  {
    name: 'a session sends nothing again when its front attaches it',
    phase: 'rest',
    file: 'host/session.ts',
    find: "for (const { n, data } of this.#outbox) link.send({ type: 'message', sid: this.id, n, data })",
    replace: '',
    seeds: 200,
  },
  {
    name: 'a front hands on what it has handed on before',
    phase: 'rest',
    file: 'front/session.ts',
    find: 'if (n === this.#seen + 1) {',
    replace: 'if (n <= this.#seen + 1) {',
    seeds: 400,
  },
  {
    name: 'a move carries messages as applied that are not',
    phase: 'fence',
    file: 'host/session.ts',
    find: 'inSeq: this.inDone,',
    replace: 'inSeq: this.inSeq,',
    seeds: 200,
  },
  {
    name: 'an alarm that rang stays set',
    phase: 'rest',
    file: 'host/alarm-clock.ts',
    find: 'this.tried = alarm\n    state.forget(ALARM_SECTION)',
    replace: 'this.tried = alarm',
    seeds: 30,
  },
]
