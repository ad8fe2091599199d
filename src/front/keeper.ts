/**
 * Whoever started a front knows one process: its id, its end, its exit code. That process stays as
 * long as the front does, also when its place was taken: it is the keeper, and passes signals on. A
 * line (a pipe) leads from it to its child and is inherited from successor to successor; when its
 * last holder has gone the front has.
 */
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { KEEPER_FD } from './handover.ts'

type Said =
  /** This process takes the clients. */
  | { readonly type: 'serves'; readonly pid: number }
  | { readonly type: 'ends'; readonly code: number }

/** The end of the process that was started first. */
export class Keeper {
  /** Which process takes the clients now. */
  pid: number
  /** The exit code of the front; 1 when its process did not end in order. */
  readonly ended: Promise<number>

  /** `line`: its end of the pipe. `pid`: the child. */
  constructor(line: Duplex, pid: number) {
    this.pid = pid
    line.on('error', () => line.destroy())
    this.ended = new Promise((resolve) => {
      createInterface(line).on('line', (text) => {
        const said = JSON.parse(text) as Said
        if (said.type === 'serves') this.pid = said.pid
        else resolve(said.code)
      })
      line.once('close', () => resolve(1))
    })
  }

  /** To the process that takes the clients; nothing when there is none any more. */
  signal(signal: NodeJS.Signals): void {
    sendSignal(this.pid, signal)
  }
}

/** To a process that may have ended. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Whoever needs to know of its end hears of it.
  }
}

/** A successor's end of the line. */
export class KeeperLine {
  readonly #socket = new Socket({ fd: KEEPER_FD, readable: true, writable: true })

  /** `onGone`: the process that was started first has ended, so this one is to end as well. */
  constructor(onGone: () => void) {
    this.#socket.on('error', () => {})
    this.#socket.once('close', onGone)
    this.#socket.resume()
    this.#socket.unref()
  }

  /** Its end is no news to the keeper any more. */
  leave(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }

  say(said: Said): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed) resolve()
      else this.#socket.write(`${JSON.stringify(said)}\n`, () => resolve())
    })
  }
}
