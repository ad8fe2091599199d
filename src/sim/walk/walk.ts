/** Walks through every order of events of the small case, breadth first. */
import { Trace } from '../trace.ts'
import { firstState, type WalkState } from './state.ts'
import { World } from './world.ts'

export interface WalkResult {
  readonly states: number
  readonly steps: number
  /** States in which nothing can happen any more. */
  readonly ends: number
  readonly depth: number
  /** The first one found, with the shortest way to it; undefined: there is none. */
  readonly violation: { readonly what: string; readonly way: readonly string[] } | undefined
}

interface Visited {
  /** The state, as JSON. */
  readonly json: string
  readonly from: Visited | undefined
  readonly what: string
  readonly depth: number
}

export interface WalkInit {
  /** The worker's state goes with the fence, or is copied before. */
  readonly small: boolean
  readonly duplicates: 0 | 1
  /** Stops there, with an error: the case was not walked through. */
  readonly statesMax: number
}

export function walk({ small, duplicates, statesMax }: WalkInit): WalkResult {
  const seen = new Set<string>()
  const json = JSON.stringify({ ...firstState(), duplicates })
  let level: Visited[] = [{ json, from: undefined, what: 'begin', depth: 0 }]
  const counts = { states: 1, steps: 0, ends: 0, depth: 0 }
  while (level.length > 0) {
    const next: Visited[] = []
    for (const visited of level) {
      counts.depth = visited.depth
      const possible = new World(parse(visited.json), small).steps()
      const isEnd = possible.length === 0
      if (isEnd) counts.ends++
      const end = isEnd ? endViolation(parse(visited.json), small) : undefined
      if (end) return { ...counts, violation: { what: end, way: wayTo(visited) } }
      for (const { what, run } of possible) {
        counts.steps++
        const world = new World(parse(visited.json), small)
        run(world)
        const json = JSON.stringify(world.state)
        const after = { json, from: visited, what, depth: visited.depth + 1 }
        const [violation] = world.violations
        if (violation) return { ...counts, violation: { what: violation, way: wayTo(after) } }
        const key = hashOf(json)
        if (seen.has(key)) continue
        seen.add(key)
        if (++counts.states > statesMax) throw new Error(`more than ${statesMax} states`)
        next.push(after)
      }
    }
    level = next
  }
  return { ...counts, violation: undefined }
}

function endViolation(state: WalkState, small: boolean): string | undefined {
  const world = new World(state, small)
  world.checkEnd()
  return world.violations[0]
}

function parse(json: string): WalkState {
  return JSON.parse(json) as WalkState
}

function hashOf(json: string): string {
  const trace = new Trace()
  trace.add(json)
  return trace.hash()
}

function wayTo(last: Visited): string[] {
  const way: string[] = []
  for (let at: Visited | undefined = last; at; at = at.from) way.unshift(at.what)
  return way
}
