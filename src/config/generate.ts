/** `node src/config/generate.ts [--check]`: writes `config/*.schema.json` from the zod schemas. */
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { type GeneratedFile, runGenerator } from '../generated.ts'
import { scenarioSchema } from '../sim/scenario/schema.ts'
import { mapSchema } from './schema/map.ts'
import { configSchema } from './schema.ts'

function schemaText(schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, { io: 'input', target: 'draft-07' })
  return `${JSON.stringify(json, undefined, 2)}\n`
}

function target(name: string): string {
  return fileURLToPath(new URL(`../../config/${name}`, import.meta.url))
}

export function schemaFiles(): GeneratedFile[] {
  return [
    { file: target('aries.schema.json'), text: schemaText(configSchema) },
    { file: target('cluster.schema.json'), text: schemaText(mapSchema) },
    { file: target('scenario.schema.json'), text: schemaText(scenarioSchema) },
  ]
}

if (import.meta.main) runGenerator(schemaFiles(), process.argv.slice(2))
