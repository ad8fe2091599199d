/** What passes between a node and the keeper of its jobs. */

export interface KeeperSetup {
  readonly node: string
  readonly logLevel: string
  /** Output kept of one job. */
  readonly outputBytesMax: number
}

export interface JobStart {
  readonly id: string
  /** Absolute path of the module. */
  readonly file: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Where its output is kept: there is no such folder yet. */
  readonly folder: string
  readonly input: boolean
}

export type ToKeeper =
  | { readonly type: 'setup'; readonly setup: KeeperSetup }
  | { readonly type: 'start'; readonly job: JobStart }
  | { readonly type: 'signal'; readonly id: string; readonly signal: NodeJS.Signals }
  /** A piece of standard input, answered by `taken`; none: its end. */
  | { readonly type: 'input'; readonly id: string; readonly bytes?: Uint8Array }
  | { readonly type: 'shutdown' }

/** What the processes of a job use. */
export interface JobUsage {
  readonly id: string
  /** Cores. */
  readonly cpu: number
  readonly memoryBytes: number
}

export interface JobEnd {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  /** What happened to it besides its own end. */
  readonly why?: string
}

export type FromKeeper =
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'started'; readonly id: string; readonly pid: number }
  | { readonly type: 'taken'; readonly id: string; readonly open: boolean }
  | { readonly type: 'usage'; readonly usage: readonly JobUsage[] }
  | { readonly type: 'ended'; readonly id: string; readonly end: JobEnd }
