/** What a request must have besides its path for a route to take it. Pure. */
import type { RouteConditions } from '../config/schema/routes.ts'
import type { RequestHead } from './plan.ts'
import { parameterOf } from './request-key.ts'

/** What conditions are asked about. */
export type Conditioned = Pick<RequestHead, 'method' | 'target' | 'scheme' | 'header'>

type Condition = (head: Conditioned) => boolean

/** Whatever is there will do. */
const ANY = '*'

/** One function for all conditions of a route; undefined when it has none. */
export function compileConditions(conditions: RouteConditions): Condition | undefined {
  const { host, scheme, methods, headers = {}, query = {} } = conditions
  const all: Condition[] = []
  if (host !== undefined) all.push(hostIs(host))
  if (scheme !== undefined) all.push((head) => head.scheme === scheme)
  if (methods !== undefined) {
    const names = new Set<string>(methods)
    all.push(({ method }) => names.has(method))
  }
  for (const [name, wanted] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    all.push((head) => isWanted(head.header(lower), wanted))
  }
  for (const [name, wanted] of Object.entries(query)) {
    all.push(({ target }) => isWanted(parameterOf(target, name), wanted))
  }
  if (all.length === 0) return undefined
  return (head) => all.every((holds) => holds(head))
}

/** `*.` takes any name under it, of one label or more; the port does not matter. */
function hostIs(wanted: string): Condition {
  const name = wanted.toLowerCase()
  const suffix = name.startsWith('*.') ? name.slice(1) : undefined
  return (head) => {
    const host = (head.header('host') ?? '').replace(/:\d*$/, '').toLowerCase()
    return suffix === undefined
      ? host === name
      : host.length > suffix.length && host.endsWith(suffix)
  }
}

function isWanted(value: string | undefined, wanted: string): boolean {
  return value !== undefined && (wanted === ANY || value === wanted)
}
