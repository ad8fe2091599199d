/** `node src/cli/reference.ts [--check]`: writes `docs/reference/` from the tables in the code. */
import { fileURLToPath } from 'node:url'
import { type GeneratedFile, runGenerator } from '../generated.ts'
import { cliPage } from './reference/cli-page.ts'
import { configPage } from './reference/config-page.ts'
import { errorsPage } from './reference/errors-page.ts'
import { httpApiPage } from './reference/http-api-page.ts'
import { metricsPage } from './reference/metrics-page.ts'

export function referenceFiles(): GeneratedFile[] {
  return [
    { file: target('cli.md'), text: cliPage() },
    { file: target('config.md'), text: configPage() },
    { file: target('errors.md'), text: errorsPage() },
    { file: target('http-api.md'), text: httpApiPage() },
    { file: target('metrics.md'), text: metricsPage() },
  ]
}

function target(name: string): string {
  return fileURLToPath(new URL(`../../docs/reference/${name}`, import.meta.url))
}

if (import.meta.main) runGenerator(referenceFiles(), process.argv.slice(2))
