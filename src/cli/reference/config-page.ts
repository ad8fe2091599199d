import { z } from 'zod'
import { mapSchema } from '../../config/schema/map.ts'
import { configSchema } from '../../config/schema.ts'
import { markdownTable, page } from './markdown.ts'

/** The parts of a JSON schema that the page shows. */
interface Schema {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  /** Of a section whose keys are names. */
  readonly additionalProperties?: Schema | boolean
}

/** `docs/reference/config.md`: every key with its type, default and meaning. */
export function configPage(): string {
  return page('Configuration', [
    `Aries reads two YAML files: the configuration, \`config/aries.yaml\`, and the map that it names, \`config/cluster.yaml\`. Keys that are not listed here are errors. \`\${VAR}\` and \`\${VAR:-default}\` in a value are filled in from the environment; \`$\${\` stands for \`\${\`. Relative paths count from the file that they stand in. \`aries check\` tells whether both are valid; a running cluster takes over a valid change and refuses an invalid one whole.`,
    ...section('config/aries.yaml', jsonOf(configSchema), 2),
    ...section('config/cluster.yaml', jsonOf(mapSchema), 2),
  ])
}

function jsonOf(schema: z.ZodType): Schema {
  return z.toJSONSchema(schema, { io: 'input', target: 'draft-07' }) as Schema
}

function section(name: string, schema: Schema, level: number): string[] {
  const properties = Object.entries(schema.properties ?? {})
  const heading = level === 2 ? name : `\`${name}\``
  return [
    `${'#'.repeat(level)} ${heading}`,
    ...(schema.description ? [schema.description] : []),
    markdownTable(
      ['key', 'type', 'default', 'meaning'],
      properties.map(([key, each]) => row(key, each, schema.required?.includes(key) ?? false)),
    ),
    ...properties.flatMap(([key, each]) => nested(level === 2 ? key : `${name}.${key}`, each)),
  ]
}

function nested(name: string, schema: Schema): string[] {
  if (schema.properties) return section(name, schema, 3)
  const { items, additionalProperties: named, anyOf } = schema
  if (typeof named === 'object') return section(`${name}.<name>`, named, 3)
  if (items?.properties) return section(`${name}[]`, items, 3)
  const [list, branches] = items?.anyOf ? ['[]', items.anyOf] : ['', anyOf ?? []]
  return branches
    .filter((branch) => branch.properties !== undefined)
    .flatMap((branch) => section(`${name}${list}: ${markOf(branch)}`, branch, 3))
}

/** What tells an alternative from the others: the first key that it needs, but for those that all need. */
function markOf(branch: Schema): string {
  return branch.required?.find((key) => key !== 'path') ?? ''
}

function row(key: string, schema: Schema, required: boolean): string[] {
  return [`\`${key}\``, typeOf(schema), defaultOf(schema, required), schema.description ?? '']
}

function typeOf(schema: Schema): string {
  if (schema.enum) return schema.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (schema.type === 'array') {
    return schema.items?.type === 'string' ? 'list of strings' : 'list, see below'
  }
  const branches = schema.anyOf?.filter((branch) => branch.properties !== undefined) ?? []
  const below = schema.properties ?? branches[0] ?? schema.additionalProperties
  if (typeof below === 'object') return 'see below'
  const { minimum, maximum } = schema
  if (minimum === undefined) return schema.type ?? ''
  const top = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? '' : ` to ${maximum}`
  return `${schema.type}, ${minimum}${top === '' ? ' or more' : top}`
}

function defaultOf(schema: Schema, required: boolean): string {
  if (schema.properties) return ''
  if (schema.default === undefined) return required ? 'required' : 'see meaning'
  return `\`${JSON.stringify(schema.default)}\``
}
