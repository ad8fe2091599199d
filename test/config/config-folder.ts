import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { loadConfig } from '../../src/config/load.ts'
import { AriesError } from '../../src/errors.ts'

export const MAP = `cluster: demo
epoch: 1
nodes:
  - { id: n1, host: 127.0.0.1, gossip: 17101, data: 17201, admin: 17301 }
  - { id: n2, host: 127.0.0.1, gossip: 17102, data: 17202, admin: 17302 }
fronts:
  - { id: f1, host: 127.0.0.1, gossip: 17100, admin: 17300 }
`

export const CONFIG = `store: sqlite:../data/aries.db
listeners:
  - { http: 127.0.0.1:18080 }
routes:
  - { path: /hello, task: ../workers/hello.ts }
  - { path: /counter/:key, worker: ../workers/counter.ts }
  - { path: /legacy/*, upstreams: [http://127.0.0.1:19001] }
`

/** Lays out `config/aries.yaml`, `config/cluster.yaml` and two modules; returns the first. */
export function configFolder(
  folder: string,
  files: { config?: string; map?: string } = {},
): { config: string; map: string } {
  const paths = {
    config: join(folder, 'config/aries.yaml'),
    map: join(folder, 'config/cluster.yaml'),
  }
  const write = (file: string, text: string): void => {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  write(paths.config, files.config ?? CONFIG)
  write(paths.map, files.map ?? MAP)
  write(join(folder, 'workers/hello.ts'), '')
  write(join(folder, 'workers/counter.ts'), '')
  return paths
}

/** The message of the refusal; fails the test when there is none. */
export async function refusal(
  t: Test,
  files: { config?: string; map?: string },
  env: Record<string, string> = {},
): Promise<string> {
  const { config } = configFolder(t.testdir(), files)
  try {
    await loadConfig(config, { env })
  } catch (error) {
    if (!(error instanceof AriesError)) throw error
    t.equal(error.code, 'ARIES_E_CONFIG')
    return error.message
  }
  t.fail('it was not refused')
  return ''
}
