/** What `bench:front` measures: one kind of traffic each. */

export const SMALL_BYTES = 100

/** How a client speaks: over which listener, and what it does there again and again. */
export interface Case {
  /** Stable: the rows of `--json` are known by it. */
  readonly name: string
  readonly listener: 'http' | 'https' | 'tcp'
  readonly speaks: 'http1' | 'h2' | 'websocket' | 'echo'
  /** Of a request; the origin's answer is as large as its name says. */
  readonly path: string
  /** Sent as a body by POST. */
  readonly uploadBytes: number
  /** A new connection for each request, closed by the server behind its answer. */
  readonly closes: boolean
  readonly connections: number
  /** Requests at a time on one connection. */
  readonly streams: number
}

const BASE: Case = {
  name: '',
  listener: 'http',
  speaks: 'http1',
  path: '/small',
  uploadBytes: 0,
  closes: false,
  connections: 64,
  streams: 1,
}

export const CASES: readonly Case[] = [
  { ...BASE, name: 'small' },
  { ...BASE, name: '64 KiB', path: '/large' },
  { ...BASE, name: '1 MiB', path: '/huge', connections: 16 },
  { ...BASE, name: 'upload 64 KiB', path: '/upload', uploadBytes: 65_536 },
  { ...BASE, name: 'new connection', closes: true },
  { ...BASE, name: 'TLS', listener: 'https' },
  { ...BASE, name: 'h2', listener: 'https', speaks: 'h2', connections: 8, streams: 8 },
  { ...BASE, name: 'WebSocket echo', speaks: 'websocket', path: '/echo' },
  { ...BASE, name: 'TCP', listener: 'tcp', speaks: 'echo' },
]
