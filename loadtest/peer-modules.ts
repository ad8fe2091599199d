/**
 * Modules that only comparisons need, installed on demand into `loadtest/peers`, which git ignores.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { progress } from './report.ts'

export const PEERS_FOLDER = fileURLToPath(new URL('./peers/', import.meta.url))
const MANIFEST = join(PEERS_FOLDER, 'package.json')

type Versions = Readonly<Record<string, string>>

/** Installs what is missing; returns the names of those that are there, and says which are not. */
export function installModules(versions: Versions): string[] {
  const names = Object.keys(versions)
  const isThere = (name: string): boolean => isInstalled(name, versions[name]!)
  if (!names.every(isThere)) install(versions)
  return names.filter((name) => {
    if (isThere(name)) return true
    progress(`going on without ${name}`)
    return false
  })
}

export function requirePeer(path: string): unknown {
  return createRequire(MANIFEST)(path)
}

function install(versions: Versions): void {
  progress('installing the peers: npm install in loadtest/peers')
  mkdirSync(PEERS_FOLDER, { recursive: true })
  const dependencies = { ...manifest().dependencies, ...versions }
  writeFileSync(MANIFEST, JSON.stringify({ private: true, dependencies }, null, 2))
  try {
    execFileSync('npm', ['install', '--no-audit', '--no-fund'], {
      cwd: PEERS_FOLDER,
      stdio: 'ignore',
    })
  } catch (error) {
    progress(`npm install: ${String(error)}`)
  }
}

function manifest(): { dependencies?: Versions } {
  try {
    return JSON.parse(readFileSync(MANIFEST, 'utf8')) as { dependencies?: Versions }
  } catch {
    return {}
  }
}

function isInstalled(name: string, version: string): boolean {
  try {
    const file = join(PEERS_FOLDER, 'node_modules', name, 'package.json')
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version === version
  } catch {
    return false
  }
}
