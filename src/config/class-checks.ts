/** What must hold of `classes` and `resources`: options that go together, and names that are there. */
import type { z } from 'zod'
import { parseWorkerId } from '../identity.ts'
import type { KeyPath, Located, Problems } from './problems.ts'
import { classSchema, type Near } from './schema/classes.ts'
import type { ModuleName } from './schema.ts'
import { suggest } from './suggest.ts'

/** What the options of a class may name. */
export interface Named {
  readonly classes: ReadonlyMap<ModuleName, string>
  /** Of the map; undefined when the map cannot be read. */
  readonly nodes: readonly string[] | undefined
}

/**
 * Every class under `classes` must be the worker class of a route, its options must go together,
 * and what they name must be there.
 */
export function checkClasses(
  data: Readonly<Record<string, unknown>> | null,
  named: Named,
  document: Located,
  problems: Problems,
): void {
  const resources = checkResources(data, named, document, problems)
  for (const [name, options] of Object.entries(sectionOf(data, 'classes'))) {
    const path: KeyPath = ['classes', name]
    const parsed = classSchema.safeParse(options).data
    if (parsed) checkOptions(name, parsed, { ...named, resources, path, document, problems })
    if (named.classes.has(name)) continue
    const words = `is not a worker class of a route; ${hint(name, named.classes.keys(), 'worker')}`
    problems.add(document, path, words, 'key')
  }
}

interface Check extends Named {
  readonly resources: ReadonlySet<string>
  readonly path: KeyPath
  readonly document: Located
  readonly problems: Problems
}

function checkOptions(name: string, options: z.output<typeof classSchema>, check: Check): void {
  const { path, document, problems } = check
  const { isolation, standby, near, pin } = options
  if (isolation === 'process' && standby > 0) {
    const why = 'is for workers that share a host process: with `isolation: process` leave it out'
    problems.add(document, [...path, 'standby'], why)
  }
  for (const [index, node] of [pin ?? []].flat().entries()) {
    const at: KeyPath = Array.isArray(pin) ? [...path, 'pin', index] : [...path, 'pin']
    mustBeNode(node, at, check)
  }
  if (!near) return
  if ('node' in near) mustBeNode(near.node, [...path, 'near', 'node'], check)
  const words = nearProblem(name, near, check)
  if (words) problems.add(document, [...path, 'near', Object.keys(near)[0]!], words)
}

function nearProblem(name: string, near: Near, check: Check): string | undefined {
  if ('resource' in near && !check.resources.has(near.resource)) {
    return `is not under \`resources\`; ${hint(near.resource, check.resources, 'resource')}`
  }
  if ('class' in near) {
    if (near.class === name) return 'is the class itself: a worker is always near itself'
    if (!check.classes.has(near.class)) {
      return `is not a worker class of a route; ${hint(near.class, check.classes.keys(), 'worker')}`
    }
  }
  if ('worker' in near) {
    const [className = ''] = near.worker.split('/')
    if (!isWorker(near.worker)) return 'must be <class>/<key>, the key percent-encoded'
    if (!check.classes.has(className)) {
      return `is of no worker class of a route; ${hint(className, check.classes.keys(), 'worker')}`
    }
  }
  return undefined
}

function mustBeNode(
  node: string,
  path: KeyPath,
  { nodes, document, problems }: Omit<Check, 'resources' | 'path' | 'classes'>,
): void {
  if (nodes === undefined || nodes.includes(node)) return
  problems.add(document, path, `${node} is not a node of the map; ${hint(node, nodes, 'node')}`)
}

/** The names of the declared resources; their nodes must be those of the map. */
function checkResources(
  data: Readonly<Record<string, unknown>> | null,
  { nodes }: Named,
  document: Located,
  problems: Problems,
): ReadonlySet<string> {
  const section = sectionOf(data, 'resources')
  for (const [name, having] of Object.entries(section)) {
    if (!Array.isArray(having)) continue
    for (const [index, node] of having.entries()) {
      if (typeof node !== 'string') continue
      mustBeNode(node, ['resources', name, index], { nodes, document, problems })
    }
  }
  return new Set(Object.keys(section))
}

function sectionOf(
  data: Readonly<Record<string, unknown>> | null,
  name: string,
): Readonly<Record<string, unknown>> {
  const section = data?.[name]
  if (typeof section !== 'object' || section === null || Array.isArray(section)) return {}
  return section as Record<string, unknown>
}

function hint(name: string, known: Iterable<string>, what: string): string {
  const all = [...known]
  const meant = suggest(name, all)
  if (meant) return `did you mean \`${meant}\`?`
  if (all.length === 0) return what === 'worker' ? 'no route has a worker' : `there is no ${what}`
  return `there are ${all.map((each) => `\`${each}\``).join(', ')}`
}

function isWorker(text: string): boolean {
  try {
    parseWorkerId(text)
    return true
  } catch {
    return false
  }
}
