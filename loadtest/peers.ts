/**
 * What Aries is compared with, installed on demand into `loadtest/peers` (git ignores it) so that
 * nobody needs it who does not compare, and started as processes of their own.
 */
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { leash } from '../test/helpers/leash.ts'
import { freePort } from '../test/helpers/ports.ts'
import { startPostgres } from '../test/helpers/postgres.ts'
import { until } from '../test/helpers/until.ts'
import { installModules, PEERS_FOLDER, requirePeer } from './peer-modules.ts'

const VERSIONS = { express: '5.3.0', workerd: '1.20261117.1' } as const

type PeerModule = keyof typeof VERSIONS

/** A server that counts: `POST /counter/k<n>` adds one, durably. */
export interface Contender {
  readonly name: string
  /** Starts it with nothing from an earlier start; it takes the keys `k0` to `k<keys - 1>`. */
  start(keys: number): Promise<Running>
}

export interface Running {
  readonly url: string
  stop(): Promise<void>
}

/** Installs the peers; returns those that could be had, and says why one could not. */
export function installPeers(): Contender[] {
  return installModules(VERSIONS).map((name) => CONTENDERS[name as PeerModule])
}

const workerd: Contender = {
  name: 'workerd',
  async start() {
    const { default: binary } = requirePeer('workerd') as { default: string }
    const port = await freePort()
    const disk = mkdtempSync(join(tmpdir(), 'aries-workerd-'))
    const config = fileURLToPath(new URL('./workerd-counter.capnp', import.meta.url))
    const where = [`--socket-addr=http=127.0.0.1:${port}`, `--directory-path=disk=${disk}`]
    const child = spawn(binary, ['serve', '--experimental', ...where, config], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    leash(child)
    const url = `http://127.0.0.1:${port}`
    const stop = async (): Promise<void> => {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
      rmSync(disk, { recursive: true, force: true })
    }
    await until('workerd listens', async () => (await fetch(url)).ok)
    return { url, stop }
  },
}

const express: Contender = {
  name: 'Express + PostgreSQL',
  async start(keys) {
    const postgres = await startPostgres()
    const file = fileURLToPath(new URL('./express-counter.ts', import.meta.url))
    const child = fork(file, [PEERS_FOLDER, postgres.url, String(keys)], {
      execArgv: [],
      env: { ...process.env, NODE_ENV: 'production' },
    })
    const [{ port }] = (await once(child, 'message')) as [{ port: number }]
    const stop = async (): Promise<void> => {
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
      await postgres.stop()
    }
    return { url: `http://127.0.0.1:${port}`, stop }
  },
}

const CONTENDERS: Readonly<Record<PeerModule, Contender>> = { workerd, express }
