import type { Bug } from './find-bug.ts'

/** Bugs to be found by the simulation of moves. */
export interface MoveBug extends Bug {
  readonly phase: 'prepare' | 'copy' | 'fence' | 'commit' | 'switch' | 'clean' | 'rest'
}

export const BUGS: readonly MoveBug[] = [
  {
    name: 'a move that breaks before its fence has no end',
    phase: 'prepare',
    file: 'move/source.ts',
    find: "return [send({ type: 'abort', why }), ...this.#end({ kind: 'aborted', ...failure }, nowMs)]",
    replace: 'return []',
    seeds: 'walk',
  },
  {
    name: 'what turns change during the copy is not sent',
    phase: 'copy',
    file: 'move/source.ts',
    find: "(this.#phase !== 'copy' && this.#phase !== 'fence')) return []",
    replace: "this.#phase !== 'fence') return []",
    seeds: 400,
  },
  {
    name: 'the fence does not wait for the commits under way',
    phase: 'fence',
    file: 'host/open-worker.ts',
    find: '|| this.#commits.size > 0',
    replace: '',
    seeds: 60,
  },
  {
    name: 'a source goes on under its old epoch when it hears nothing',
    phase: 'commit',
    file: 'move/source.ts',
    find: "return [this.#enter('reclaim', nowMs, undefined), this.#claim()]",
    replace:
      "return [{ do: 'resume', epoch: this.init.epoch }, ...this.#end({ kind: 'aborted', ...failure }, nowMs)]",
    seeds: 'walk',
  },
  {
    name: 'a target whose claim has no answer takes it for granted',
    phase: 'commit',
    file: 'move/target.ts',
    find: "return [{ do: 'timer', delayMs: CLAIM_RETRY_MS }]",
    replace: 'return this.#open(this.#epoch + 1, true, nowMs)',
    seeds: 300,
  },
  {
    name: 'a source that lost the claim goes on all the same',
    phase: 'commit',
    file: 'move/source.ts',
    find: 'if (outcome.node === this.init.target) return this.#handOver(outcome.epoch, 0, nowMs)',
    replace: 'if (outcome.node === this.init.target) return this.#resume(outcome.epoch, nowMs)',
    seeds: 'walk',
  },
  {
    name: 'what waited at the source is not sent on',
    phase: 'switch',
    file: 'host/move-source.ts',
    find: 'mail.moved(owner)',
    replace: '',
    seeds: 30,
  },
  {
    name: 'the fronts are not told where the sessions went',
    phase: 'switch',
    file: 'host/sessions.ts',
    find: "link.send({ type: 'moved', sids, worker: worker.name, owner })",
    replace: '',
    seeds: 30,
  },
  {
    name: 'the control loop does not hear that a source took its worker back',
    phase: 'clean',
    file: 'host/moves.ts',
    find: "onReclaimed: (of, epoch) => send({ type: 'arrived', id: of, epoch }),",
    replace: 'onReclaimed: () => undefined,',
    seeds: 100,
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
    find: 'if (this.isOpenTo(afterSeq)) release(held)',
    replace: 'if (this.#held.length === 0) release(held)',
    seeds: 30,
  },
  {
    name: 'a failed commit is taken for one that was not sent',
    phase: 'rest',
    file: 'host/turn-commits.ts',
    find: 'held.ownSeq !== 0 && held.ownSeq <= unknownSeq',
    replace: 'false',
    seeds: 100,
  },
  {
    name: 'replies are forgotten when the worker opens',
    phase: 'rest',
    file: 'host/replies.ts',
    find: 'if (name.startsWith(PREFIX)) found',
    replace: 'if (name.startsWith("?")) found',
    seeds: 60,
  },
]
