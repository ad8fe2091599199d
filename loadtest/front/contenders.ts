/** The proxies of `bench:front`, each a process of its own on the same core. */
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../test/helpers/ports.ts'
import { until } from '../../test/helpers/until.ts'
import { installModules } from '../peer-modules.ts'
import { progress } from '../report.ts'
import type { Case } from './cases.ts'
import { type Ports, type Setup, writeAries, writeHaproxy, writeNginx } from './configs.ts'
import type { NodeProxy } from './node-proxy-child.ts'
import { forkPinned, isCommand, PROXY_CORE, spawnPinned } from './pinned.ts'

export interface Contender {
  /** Stable: the rows of `--json` are known by it. */
  readonly name: string
  start(setup: Setup): Promise<ChildProcess>
  /** Whether it can do the case at all. */
  serves(what: Case): boolean
}

const NGINX_STREAM_MODULES = [
  '/usr/lib/nginx/modules/ngx_stream_module.so',
  '/usr/share/nginx/modules/ngx_stream_module.so',
]
const MAIN = fileURLToPath(new URL('../../src/cli/bin.js', import.meta.url))
const NODE_PROXY = fileURLToPath(new URL('./node-proxy-child.ts', import.meta.url))
const VERSIONS = { fastify: '5.12.8', '@fastify/http-proxy': '11.6.3' }

const haproxy: Contender = {
  name: 'haproxy',
  start: (setup) => listening(['haproxy', '-db', '-f', writeHaproxy(setup)], setup.ports),
  serves: () => true,
}

const stream = NGINX_STREAM_MODULES.find((file) => existsSync(file))

const nginx: Contender = {
  name: 'nginx',
  start(setup) {
    const command = ['nginx', '-p', setup.folder, '-c', writeNginx(setup, stream)]
    return listening(command, setup.ports)
  },
  serves: ({ listener }) => listener !== 'tcp' || stream !== undefined,
}

const aries: Contender = {
  name: 'aries',
  async start(setup) {
    const file = writeAries(setup, await freePorts(5))
    return startAries(file, setup.ports)
  },
  serves: () => true,
}

/** `file`: its configuration. */
export function startAries(file: string, ports: Ports): Promise<ChildProcess> {
  return listening([process.execPath, MAIN, 'front', '--config', file], ports)
}

function ofNode(name: string, proxy: NodeProxy, serves: Contender['serves']): Contender {
  return {
    name,
    async start(setup) {
      const { child } = await forkPinned(PROXY_CORE, NODE_PROXY, [JSON.stringify([proxy, setup])])
      return child
    },
    serves,
  }
}

const HTTP1_ONLY = ({ speaks }: Case): boolean => speaks !== 'echo' && speaks !== 'h2'

/** Those that are installed; says how to get the others. */
export function findContenders(): Contender[] {
  const native = [haproxy, nginx].filter(({ name }) => {
    if (isCommand(name)) return true
    progress(`going on without ${name}: apt-get install nginx libnginx-mod-stream haproxy wrk`)
    return false
  })
  const hasFastify = installModules(VERSIONS).length === Object.keys(VERSIONS).length
  return [
    ...native,
    aries,
    ...(hasFastify
      ? [ofNode('@fastify/http-proxy', 'fastify', ({ speaks }) => speaks !== 'echo')]
      : []),
    ofNode('http-proxy with agent', 'http-proxy with agent', HTTP1_ONLY),
    ofNode('http-proxy', 'http-proxy', HTTP1_ONLY),
  ]
}

async function listening(command: readonly string[], ports: Ports): Promise<ChildProcess> {
  const child = spawnPinned(PROXY_CORE, command)
  const what = `${command[0]} to listen`
  await until(what, async () => child.exitCode !== null || (await answers(ports.http)), 30_000)
  if (child.exitCode !== null) throw new Error(`${command.join(' ')}: exit ${child.exitCode}`)
  return child
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
