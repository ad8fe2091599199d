/** A cluster whose code a test changes, and `aries deploy` as an operator runs it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { DeployReport } from '../../src/rpc.ts'
import { ariesHere } from '../cli/aries.ts'
import { PATIENT_MOVES, TestCluster } from '../helpers/cluster.ts'

const API = fileURLToPath(new URL('../../src/worker/index.ts', import.meta.url))
const ROOM = fileURLToPath(new URL('../../workers/room.ts', import.meta.url))

/** A counter that says which code it runs. */
export const tally = (code: string): string => `import { Worker } from '${API}'
export default class Tally extends Worker {
  fetch(request) {
    const value = request.method === 'PUT' ? 99 : (this.state.get('value') ?? 0) + 1
    this.state.set('value', value)
    return Response.json({ value, code: '${code}' })
  }
}
`
export const greet = (code: string): string =>
  `export default () => Response.json({ code: '${code}' })\n`

export class Deploying {
  readonly cluster: TestCluster
  readonly #folder: string

  private constructor(cluster: TestCluster, folder: string) {
    this.cluster = cluster
    this.#folder = folder
  }

  /** Two nodes that run the code `old`: `/tally/:key`, `/lobby/:key`, a room, and `/greet`, a task. */
  static async start(t: Test, config: Record<string, unknown> = {}): Promise<Deploying> {
    const folder = t.testdir({
      'tally.ts': tally('old'),
      'lobby.ts': `export { default } from '${ROOM}'\n`,
      'greet.ts': greet('old'),
    })
    const cluster = await TestCluster.start({
      nodes: 2,
      config: { move: PATIENT_MOVES, ...config },
      routes: [
        { path: '/tally/:key', worker: join(folder, 'tally.ts') },
        { path: '/lobby/:key', worker: join(folder, 'lobby.ts') },
        { path: '/greet', task: join(folder, 'greet.ts') },
      ],
    })
    t.teardown(() => cluster.stop())
    return new Deploying(cluster, folder)
  }

  write(name: 'tally.ts' | 'greet.ts', text: string): void {
    writeFileSync(join(this.#folder, name), text)
  }

  async deploy(): Promise<{ code: number | null; reports: DeployReport[] }> {
    const args = ['deploy', '--json', '--admin', this.cluster.adminAddress]
    const { code, stdout, stderr } = await ariesHere(args)
    if (stdout === '') throw new Error(`aries deploy: ${stderr}\n${this.cluster.logs()}`)
    return { code, reports: JSON.parse(stdout) as DeployReport[] }
  }
}
