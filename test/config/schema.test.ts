import t from 'tap'
import { z } from 'zod'
import { schemaFiles } from '../../src/config/generate.ts'
import { mapSchema } from '../../src/config/schema/map.ts'
import { configSchema } from '../../src/config/schema.ts'
import { outdated } from '../../src/generated.ts'

t.test('the JSON schemas that ship are those of the code', async (t) => {
  t.strictSame(outdated(schemaFiles()), [], 'run: node src/config/generate.ts')
})

t.test('every key is described in a sentence', async (t) => {
  interface Schema {
    description?: string
    properties?: Record<string, Schema>
    items?: Schema
    anyOf?: Schema[]
    additionalProperties?: Schema | boolean
  }
  let count = 0
  const look = (name: string, schema: Schema): void => {
    for (const [key, each] of Object.entries(schema.properties ?? {})) {
      count++
      t.match(each.description, /^[A-Z`].*\.$/, `${name}${key}`)
      look(`${name}${key}.`, each)
    }
    if (schema.items) look(`${name}[].`, schema.items)
    const named = schema.additionalProperties
    if (typeof named === 'object') look(`${name}<name>.`, named)
    for (const branch of schema.anyOf ?? []) look(name, branch)
  }
  look('', z.toJSONSchema(configSchema, { io: 'input' }) as Schema)
  look('', z.toJSONSchema(mapSchema, { io: 'input' }) as Schema)
  t.ok(count > 60, `${count} keys`)
})
