/** Every address that the configuration gives to Aries: to find doubles, and ports in use. */
import { type Address, isLoopback, isWildcard, parseAddress } from './address.ts'
import type { KeyPath, Located, Problems } from './problems.ts'
import type { Config, FrontEntry, Listener, NodeEntry } from './schema.ts'

export interface Listen extends Address {
  readonly transport: 'tcp' | 'udp'
  /** What listens there, for messages: `admin API of n1`. */
  readonly purpose: string
  /** The file and the path in it that say so. */
  readonly file: string
  readonly path: KeyPath
}

export function nodeListens(node: NodeEntry, file: string, path: KeyPath): Listen[] {
  const { id, host } = node
  const at = { host, file }
  return [
    { ...at, ...udp(node.gossip, `gossip of ${id}`), path: [...path, 'gossip'] },
    { ...at, ...tcp(node.gossip, `gossip of ${id}`), path: [...path, 'gossip'] },
    { ...at, ...tcp(node.data, `data port of ${id}`), path: [...path, 'data'] },
    { ...at, ...tcp(node.admin, `admin API of ${id}`), path: [...path, 'admin'] },
  ]
}

export function frontListens(front: FrontEntry, file: string, path: KeyPath): Listen[] {
  const { id, host } = front
  const at = { host, file }
  return [
    { ...at, ...udp(front.gossip, `gossip of ${id}`), path: [...path, 'gossip'] },
    { ...at, ...tcp(front.gossip, `gossip of ${id}`), path: [...path, 'gossip'] },
    { ...at, ...tcp(front.admin, `admin API of ${id}`), path: [...path, 'admin'] },
  ]
}

export function listenerListens(listener: Listener, file: string, path: KeyPath): Listen[] {
  const scheme = 'http' in listener ? 'http' : 'tcp'
  const address = parseAddress('http' in listener ? listener.http : listener.tcp)
  if (address === undefined) return []
  const { host, port } = address
  return [{ host, file, ...tcp(port, `${scheme} listener`), path: [...path, scheme] }]
}

/** All of them, those of every member and of the listeners. */
export function listensOf(config: Config): Listen[] {
  const { map, mapFile, file } = config
  return [
    ...config.listeners.flatMap((each, i) => listenerListens(each, file, ['listeners', i])),
    ...map.fronts.flatMap((each, i) => frontListens(each, mapFile, ['fronts', i])),
    ...map.nodes.flatMap((each, i) => nodeListens(each, mapFile, ['nodes', i])),
  ]
}

/** Adds a problem for every address that is given away twice. */
export function checkDoubles(
  listens: readonly Listen[],
  documents: ReadonlyMap<string, Located>,
  problems: Problems,
): void {
  for (const [index, listen] of listens.entries()) {
    const first = listens.slice(0, index).find((other) => collides(other, listen))
    const document = documents.get(listen.file)
    if (first === undefined || document === undefined) continue
    const port = `${listen.transport.toUpperCase()} port ${listen.port}`
    problems.add(document, listen.path, `${port} is already that of the ${first.purpose}`)
  }
}

function collides(a: Listen, b: Listen): boolean {
  if (a.transport !== b.transport || a.port !== b.port) return false
  return a.host === b.host || isWildcard(a.host) || isWildcard(b.host) || bothLocal(a, b)
}

/** `localhost` is 127.0.0.1 or ::1, as the machine likes it. */
function bothLocal(a: Listen, b: Listen): boolean {
  return [a, b].some((each) => each.host === 'localhost') && [a, b].every((e) => isLoopback(e.host))
}

function tcp(port: number, purpose: string) {
  return { transport: 'tcp', port, purpose } as const
}

function udp(port: number, purpose: string) {
  return { transport: 'udp', port, purpose } as const
}
