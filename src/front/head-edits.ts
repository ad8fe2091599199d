/** Edits of heads, compiled: lines that are removed, set and added, with variables of the request. */
import type { z } from 'zod'
import type { responseEditSchema } from '../config/schema/route-terms.ts'
import { VARIABLE } from '../config/schema/values.ts'
import type { RequestHead } from './plan.ts'
import { cookieOf } from './request-key.ts'

/** What is edited: the lines of a head. */
export interface Editable {
  add(name: string, value: string): void
  /** `name`: in small letters. */
  remove(name: string): void
}

/** `request`: where variables are filled in from. */
export type HeadEdit = (fields: Editable, request: RequestHead) => void

type Value = (request: RequestHead) => string

export function compileHeadEdit(config: z.output<typeof responseEditSchema>): HeadEdit {
  const set = Object.entries(config.set ?? {})
  const removed = [...(config.remove ?? []), ...set.map(([name]) => name)].map((name) =>
    name.toLowerCase(),
  )
  const added = [...set, ...Object.entries(config.add ?? {})].map(
    ([name, text]): [string, Value] => [name, compileValue(text)],
  )
  return (fields, request) => {
    // Before anything is removed: a value may be made of it.
    const values = added.map(([, value]) => value(request))
    for (const name of removed) fields.remove(name)
    for (const [i, [name]] of added.entries()) fields.add(name, values[i]!)
  }
}

function compileValue(text: string): Value {
  const parts: (string | Value)[] = []
  let at = 0
  for (const match of text.matchAll(VARIABLE)) {
    parts.push(text.slice(at, match.index))
    parts.push(match[1] === undefined ? '{' : variable(match[1]))
    at = match.index + match[0].length
  }
  parts.push(text.slice(at))
  return (request) => {
    let value = ''
    for (const part of parts) value += typeof part === 'string' ? part : part(request)
    return value.trim()
  }
}

function variable(named: string): Value {
  const colon = named.indexOf(':')
  const name = named.slice(colon + 1)
  switch (colon < 0 ? named : named.slice(0, colon)) {
    case 'client':
      return ({ remoteAddress }) => remoteAddress
    case 'scheme':
      return ({ scheme }) => scheme
    case 'host':
      return (request) => request.header('host') ?? ''
    case 'method':
      return ({ method }) => method
    case 'path':
      return ({ path }) => path
    case 'query':
      return ({ target, path }) => target.slice(path.length + 1)
    case 'cookie':
      return (request) => cookieOf(request, name) ?? ''
    default: {
      const lower = name.toLowerCase()
      return (request) => request.header(lower) ?? ''
    }
  }
}
