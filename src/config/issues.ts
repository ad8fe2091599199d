/** What zod found wrong, in the words of someone who reads the file and not the schema. */
import { z } from 'zod'
import type { ConfigDocument } from './document.ts'
import type { KeyPath, Problems } from './problems.ts'
import { suggest } from './suggest.ts'

type Issue = z.core.$ZodIssue

/** The parts of a JSON schema that are needed to name keys. */
interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>
  readonly items?: Shape
  /** Of a section whose keys are names. */
  readonly additionalProperties?: Shape | boolean
  readonly anyOf?: readonly Shape[]
  readonly required?: readonly string[]
}

/** Validates the data of a document; undefined, with the problems added, when it does not hold. */
export function validate<S extends z.ZodType>(
  schema: S,
  document: ConfigDocument,
  problems: Problems,
): z.output<S> | undefined {
  let data = document.data
  let result = schema.safeParse(data)
  if (!result.success && coerceAll(result.error.issues, document)) {
    data = document.data
    result = schema.safeParse(data)
  }
  if (result.success) return result.data
  const shape = z.toJSONSchema(schema, { io: 'input' }) as Shape
  const reader = new IssueReader(document, shape, data, problems)
  for (const issue of result.error.issues) reader.read(issue, [])
  return undefined
}

function coerceAll(issues: readonly Issue[], document: ConfigDocument): boolean {
  let changed = false
  for (const issue of issues) {
    if (issue.code !== 'invalid_type') continue
    const type = issue.expected === 'boolean' ? 'boolean' : 'number'
    if (type === 'number' && issue.expected !== 'number' && issue.expected !== 'int') continue
    if (document.coerce(issue.path as KeyPath, type)) changed = true
  }
  return changed
}

class IssueReader {
  readonly #document: ConfigDocument
  readonly #shape: Shape
  readonly #data: unknown
  readonly #problems: Problems

  constructor(document: ConfigDocument, shape: Shape, data: unknown, problems: Problems) {
    this.#document = document
    this.#shape = shape
    this.#data = data
    this.#problems = problems
  }

  /** `base`: path of the union that the issue lies in. */
  read(issue: Issue, base: KeyPath): void {
    const path = [...base, ...(issue.path as KeyPath)]
    if (issue.code === 'invalid_union') this.#readUnion(issue, path)
    else if (issue.code === 'invalid_key') {
      for (const { message } of issue.issues) this.#problems.add(this.#document, path, message)
    } else if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) this.#wrongKey(path, key)
    } else this.#problems.add(this.#document, path, words(issue, valueAt(this.#data, path)))
  }

  /** Reports only the alternative that was meant: the one whose own required key is there. */
  #readUnion(issue: Extract<Issue, { code: 'invalid_union' }>, path: KeyPath): void {
    const value = valueAt(this.#data, path)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.#problems.add(this.#document, path, `expected keys and values, found ${kind(value)}`)
      return
    }
    const branches = shapeAt(this.#shape, path)?.anyOf ?? []
    const known = new Set(branches.flatMap((branch) => Object.keys(branch.properties ?? {})))
    const unknown = Object.keys(value).filter((key) => !known.has(key))
    for (const key of unknown) this.#unknownKey(path, key)

    const marks = branches.map((branch) => marksOf(branch, branches))
    const meant = marks.flatMap((mark, index) => (mark.some((key) => key in value) ? [index] : []))
    if (meant.length === 1) {
      for (const inner of issue.errors[meant[0]!] ?? []) {
        if (inner.code !== 'unrecognized_keys') this.read(inner, path)
        else for (const key of inner.keys) if (known.has(key)) this.#wrongKey(path, key)
      }
      return
    }
    const names = marks.map((mark) => `\`${mark[0]}\``)
    if (meant.length > 1) {
      const both = meant.map((index) => names[index]).join(' and ')
      this.#problems.add(this.#document, path, `has ${both}; only one of them may stand here`)
    } else if (!unknown.some((key) => suggest(key, known))) {
      this.#problems.add(this.#document, path, `needs one of ${names.join(', ')}`)
    }
  }

  #wrongKey(path: KeyPath, key: string): void {
    const branches = shapeAt(this.#shape, path)?.anyOf ?? []
    if (!branches.some((branch) => key in (branch.properties ?? {}))) {
      this.#unknownKey(path, key)
      return
    }
    const value = valueAt(this.#data, path) as object
    const marks = branches.flatMap((branch) => marksOf(branch, branches).slice(0, 1))
    const mark = marks.find((name) => name in value)
    this.#problems.add(this.#document, [...path, key], `does not go with \`${mark}\``, 'key')
  }

  #unknownKey(path: KeyPath, key: string): void {
    const shape = shapeAt(this.#shape, path)
    const branches = shape?.anyOf ?? (shape ? [shape] : [])
    const known = branches.flatMap((branch) => Object.keys(branch.properties ?? {}))
    const meant = suggest(key, known)
    const hint = meant
      ? `did you mean \`${meant}\`?`
      : `known are ${[...new Set(known)].map((name) => `\`${name}\``).join(', ')}`
    this.#problems.add(this.#document, [...path, key], `is not a known key; ${hint}`, 'key')
  }
}

/** The required keys of a branch that its sisters do not all require. */
function marksOf(branch: Shape, branches: readonly Shape[]): readonly string[] {
  const own = branch.required ?? []
  return own.filter((key) => !branches.every((other) => other.required?.includes(key)))
}

function shapeAt(shape: Shape, path: KeyPath): Shape | undefined {
  let at: Shape | undefined = shape
  for (const step of path) {
    const branches: readonly (Shape | undefined)[] = at?.anyOf ?? [at]
    const found = branches.map((branch) => stepInto(branch, step))
    at = found.find((one) => one !== undefined)
  }
  return at
}

function stepInto(shape: Shape | undefined, step: string | number): Shape | undefined {
  if (typeof step === 'number') return shape?.items
  return shape?.properties?.[step] ?? namedShape(shape)
}

/** What stands under each name, in a section whose keys are names. */
function namedShape(shape: Shape | undefined): Shape | undefined {
  const named = shape?.additionalProperties
  return typeof named === 'object' ? named : undefined
}

function valueAt(data: unknown, path: KeyPath): unknown {
  let at = data
  for (const step of path) at = (at as Record<string | number, unknown> | undefined)?.[step]
  return at
}

function kind(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'keys and values' : `a ${typeof value}`
}

const EXPECTED: Readonly<Record<string, string>> = {
  object: 'keys and values',
  record: 'keys and values',
  array: 'a list',
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
}

/** Never quotes the value: it may be a secret. */
function words(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type': {
      if (value === undefined) return 'is missing'
      const expected = EXPECTED[issue.expected] ?? issue.expected
      const fraction = issue.expected === 'int' && typeof value === 'number'
      const quote = issue.expected === 'string' && typeof value !== 'object'
      const hint = quote ? '; put it in quotes' : ''
      return `expected ${expected}, found ${fraction ? 'a fraction' : kind(value)}${hint}`
    }
    case 'invalid_value':
      return `expected one of ${issue.values.map((each) => `\`${String(each)}\``).join(', ')}`
    case 'too_small':
      return `expected at least ${size(issue.origin, issue.minimum)}`
    case 'too_big':
      return `expected at most ${size(issue.origin, issue.maximum)}`
    case 'invalid_format':
      return issue.format === 'starts_with'
        ? `must begin with \`${(issue as { prefix?: string }).prefix}\``
        : issue.message
    default:
      return issue.message
  }
}

function size(origin: string, limit: number | bigint): string {
  if (origin === 'array') return limit === 1 ? '1 entry' : `${limit} entries`
  if (origin === 'string') return limit === 1 ? '1 character' : `${limit} characters`
  return String(limit)
}
