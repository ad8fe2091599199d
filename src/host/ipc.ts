/**
 * What the node's control loop and its host processes say to each other over the IPC channel of
 * `child_process.fork` (`serialization: 'advanced'`). The channel closing ends the host: a host
 * never outlives its node.
 */
import type { CallSettings } from '../calls/caller.ts'
import type { ResolvedMessage, ResolveMessage } from '../calls/resolves.ts'
import type { ClassConfig, ConfigFile } from '../config/schema.ts'
import type { ErrorBody } from '../errors.ts'
import type { WorkerId } from '../identity.ts'
import type { MoveReport, WorkerInfo } from '../rpc.ts'
import type { HostAddress, OwnerAddress } from '../wire.ts'

export interface HostSetup {
  readonly node: string
  /** Address to listen on; the port is the system's choice. */
  readonly bind: string
  readonly incarnation: number
  /** Of this process: claims are made for it; see `HostId` in `src/store/store.ts`. */
  readonly host: number
  /** Absolute: `sqlite:/…/aries.db` or `postgres://…`. */
  readonly store: string
  /** Tokens of `aries-auth`: the first is shown, all are accepted; none: none is asked for. */
  readonly tokens: readonly string[]
  readonly classes: readonly (readonly [name: string, config: ClassConfig])[]
  readonly limits: ConfigFile['host']
  readonly calls: CallSettings
  readonly move: ConfigFile['move']
  readonly logLevel: string
}

/** A worker's last committed turn, under the epoch of the owner that committed it. */
export interface LastTurn {
  readonly epoch: number
  readonly seq: number
}

export type ToHost =
  | { readonly type: 'setup'; readonly setup: HostSetup }
  /** The keys changed. Answered with `null` when it shows and accepts these. */
  | { readonly type: 'tokens'; readonly call: number; readonly tokens: readonly string[] }
  /** The routes changed: these are the classes from now on. */
  | { readonly type: 'declare'; readonly classes: HostSetup['classes'] }
  /** Load the class. Answered with its version. */
  | { readonly type: 'version'; readonly call: number; readonly class: string }
  /** The node owns the worker under `epoch`: load and open it. Answered with `null`. */
  | {
      readonly type: 'open'
      readonly call: number
      readonly id: WorkerId
      readonly epoch: number
      /**
       * Where the last owner, now gone, left it: a standby that is there makes a load needless. Epoch
       * 0: there was none, and there is nothing to load.
       */
      readonly from?: LastTurn | undefined
    }
  /** It belongs to another under `epoch`: drop what is open of an older one. Answered with `null`. */
  | {
      readonly type: 'forget'
      readonly call: number
      readonly id: WorkerId
      readonly epoch: number
    }
  /** Freeze or thaw it. Answered with `null`. */
  | {
      readonly type: 'freeze'
      readonly call: number
      readonly id: WorkerId
      readonly freeze: boolean
    }
  /** Finish the turn, stop it, forget it. Answered with `null`. */
  | { readonly type: 'close'; readonly call: number; readonly id: WorkerId }
  /** Load every class now. Answered with `null`, or with what is wrong with one that does not load. */
  | { readonly type: 'load'; readonly call: number }
  /** Be the source of a move. Answered with a `MoveReport`. */
  | {
      readonly type: 'move'
      readonly call: number
      readonly id: WorkerId
      readonly to: { readonly node: string; readonly host: string; readonly port: number }
    }
  /** Answer to `reserve`. */
  | { readonly type: 'reserved'; readonly call: number; readonly refusal: string | undefined }
  /** The hosts of other nodes that may take workers now: standbys are fed there. */
  | { readonly type: 'standby-hosts'; readonly hosts: readonly HostAddress[] }
  /** Answer to `resolve`. */
  | ResolvedMessage
  /** Gossip found the node dead, or back again: what waits for one that is dead waits in vain. */
  | { readonly type: 'node'; readonly node: string; readonly dead: boolean }
  /** The incarnation was seen to hold at `atMs`, on the clock of `machineMs`. */
  | { readonly type: 'vouch'; readonly atMs: number }
  /** The incarnation is void: nothing may be acknowledged any more. */
  | { readonly type: 'fenced' }
  /** Take no new connection, finish what runs, exit with 0. */
  | { readonly type: 'shutdown' }

/** What a host says of one worker. */
export type WorkerFigures = Omit<WorkerInfo, 'node' | 'generation' | 'memoryBytes'> & {
  /** What its turns allocated in the last minutes: its part of the heap is by this. */
  readonly allocatedBytes: number
}

export interface HostStats {
  /**
   * Workers whose figures have changed, at most a bounded number at a time: what is not told of now
   * is told of later, and one that does nothing not again. `gone` ends what was told of a worker.
   */
  readonly changed: readonly WorkerFigures[]
  readonly awake: number
  readonly asleep: number
  /** How often one that slept was woken, since the host was started. */
  readonly wakes: number
  /** Cores used since the last report. */
  readonly cpu: number
  /** Busy part of its event loop since the last report. */
  readonly loop: number
  readonly memoryBytes: number
  /** What its workers keep on its heap; see `HeapUse`. */
  readonly heapBytes: number
  /** Requests running or waiting. */
  readonly requests: number
  /** Sessions and links. */
  readonly connections: number
  readonly ioBytesPerSecond: number
  /** What is wrong with a class of which some were to start in this process and none has. */
  readonly startFault?: string
  /** Of some class workers were to start in this process, and the first has not done with it. */
  readonly starting: boolean
}

/** What a call is answered with. */
export type Answer = null | number | MoveReport

export type FromHost =
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'answer'; readonly call: number; readonly result: Answer }
  | { readonly type: 'failed'; readonly call: number; readonly error: ErrorBody }
  /** Target of a move: may this worker come? The control loop checks room, cordon, drain. */
  | {
      readonly type: 'reserve'
      readonly call: number
      readonly id: WorkerId
      readonly from: string
      readonly stateBytes: number
    }
  /** A move has committed or was taken back here: this node owns the worker under `epoch`. */
  | { readonly type: 'arrived'; readonly id: WorkerId; readonly epoch: number }
  /** The worker is no longer here: moved (`owner`), fenced, or lost with an unknown commit. */
  | {
      readonly type: 'gone'
      readonly id: WorkerId
      readonly owner: OwnerAddress | undefined
      readonly why: 'moved' | 'fenced' | 'store' | 'closed'
    }
  /** A worker here calls another one: who owns that? */
  | ResolveMessage
  | { readonly type: 'stats'; readonly stats: HostStats }
