import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigDocument } from '../../config/document.ts'
import { validate } from '../../config/issues.ts'
import { Problems } from '../../config/problems.ts'
import { AriesError } from '../../errors.ts'
import { POLICIES } from './policies.ts'
import { type MachineInit, type Scenario, type ScenarioFile, scenarioSchema } from './schema.ts'

const ARRIVALS_MAX = 1_000_000
const MACHINES_MAX = 4_096

/** Names of the scenarios that ship with Aries. */
export function shippedScenarios(): string[] {
  return readdirSync(shippedFolder())
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => basename(file, '.yaml'))
    .toSorted()
}

/**
 * Reads and checks a scenario: the name of one that ships, or a file. Throws one `ARIES_E_CONFIG`
 * with a line `file:line:column: path: what is wrong` for every problem.
 */
export function loadScenario(nameOrFile: string): Scenario {
  const shipped = /^[a-z0-9-]+$/.test(nameOrFile)
    ? join(shippedFolder(), `${nameOrFile}.yaml`)
    : undefined
  const file = shipped !== undefined && existsSync(shipped) ? shipped : resolve(nameOrFile)
  const problems = new Problems(file)
  const document = read(file, nameOrFile, problems)
  const parsed = document && validate(scenarioSchema, document, problems)
  const machines = parsed ? parsed.machines.flatMap(expand) : []
  if (parsed) checkWhole(parsed, machines, document, problems)
  if (problems.count > 0) throw problems.toError()
  return { ...parsed!, machines, name: basename(file).replace(/\.ya?ml$/, '') }
}

/** `config/scenarios` of the package, from `src` and from `dist/src` alike. */
function shippedFolder(): string {
  let at = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(at, 'config/scenarios'))) at = dirname(at)
  return join(at, 'config/scenarios')
}

function read(file: string, asked: string, problems: Problems): ConfigDocument | undefined {
  try {
    return ConfigDocument.parse(file, readFileSync(file, 'utf8'), {}, problems)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') throw new AriesError('ARIES_E_CONFIG', `${asked}: ${message}`)
    const names = shippedScenarios().join(', ')
    throw new AriesError(
      'ARIES_E_CONFIG',
      `there is no file ${asked}, and no scenario of that name; these ship: ${names}`,
    )
  }
}

function expand(machine: ScenarioFile['machines'][number]): MachineInit[] {
  const { id, count, ...rest } = machine
  if (count === 1) return [{ id, ...rest }]
  return Array.from({ length: count }, (_, i) => ({ id: `${id}-${i + 1}`, ...rest }))
}

function checkWhole(
  scenario: ScenarioFile,
  machines: readonly MachineInit[],
  document: ConfigDocument,
  problems: Problems,
): void {
  const ids = new Set(machines.map(({ id }) => id))
  if (ids.size < machines.length) problems.add(document, ['machines'], 'two have the same name')
  if (machines.length > MACHINES_MAX) {
    problems.add(document, ['machines'], `are ${machines.length}, more than ${MACHINES_MAX}`)
  }
  const { untilS, everyS } = scenario.jobs
  if (untilS / everyS > ARRIVALS_MAX) {
    const words = `makes more than ${ARRIVALS_MAX} arrivals with \`untilS\` ${untilS}`
    problems.add(document, ['jobs', 'everyS'], words)
  }
  for (const [key, value] of Object.entries({ ...scenario.jobs })) {
    if (typeof value !== 'object' || !('uniform' in value)) continue
    const [from, to] = value.uniform
    if (from > to) problems.add(document, ['jobs', key, 'uniform'], 'runs backwards')
  }
  for (const [index, failure] of scenario.failures.entries()) {
    if (ids.has(failure.machine)) continue
    problems.add(document, ['failures', index, 'machine'], 'is no machine of this scenario')
  }
  for (const [index, { policy, to }] of scenario.published.entries()) {
    for (const [key, name] of Object.entries({ policy, to })) {
      if (POLICIES.has(name)) continue
      const words = `is no policy; there are ${[...POLICIES.keys()].join(', ')}`
      problems.add(document, ['published', index, key], words)
    }
  }
}
