#!/usr/bin/env node
// Plain JavaScript that old versions of Node can read too: it finds a Node that is new enough (its
// own, or the one pinned in node_modules) and hands over to the command.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const WANTED = [24, 20]
const here = dirname(fileURLToPath(import.meta.url))
// Node strips no types below node_modules: an installed package runs what was built.
const installed = here.split(sep).includes('node_modules')
const main = installed
  ? join(here, '..', '..', 'dist', 'src', 'cli', 'main.js')
  : join(here, 'main.ts')

function newEnough() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  return major > WANTED[0] || (major === WANTED[0] && minor >= WANTED[1])
}

function pinnedNode() {
  try {
    const folder = dirname(createRequire(import.meta.url).resolve('node/package.json'))
    const file = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
    return existsSync(file) ? file : undefined
  } catch {
    return undefined
  }
}

function handOver(node) {
  // The channel tells the command when this process was killed.
  const stdio = ['inherit', 'inherit', 'inherit', 'ipc']
  const child = spawn(node, [main].concat(process.argv.slice(2)), { stdio })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal))
  }
  // npx runs this below a shell, which dies of SIGTERM without passing it on.
  const parent = process.ppid
  const shell = setInterval(() => {
    if (process.env.npm_lifecycle_event && process.ppid !== parent) child.kill('SIGTERM')
  }, 200)
  shell.unref()
  child.on('exit', (code, signal) => {
    process.exit(code === null ? 128 + (signal === 'SIGINT' ? 2 : 15) : code)
  })
  child.on('error', (error) => {
    console.error(`aries: ${node} cannot be started: ${error.message}`)
    process.exit(1)
  })
}

/**
 * Keeps the compiled code of modules between starts, for this process and those that it starts. A
 * member is four processes and more, each with a few threads and a hundred modules: reading those
 * took half of the CPU time of its start, at the very moment in which a failover waits for it. Here
 * and not in the command, because what is imported before is read anew, with what strips its types.
 * Node knows by their contents which are still good. Where the folder cannot be written nothing is
 * kept; `NODE_COMPILE_CACHE` names another, `NODE_DISABLE_COMPILE_CACHE=1` turns it off.
 */
async function keepCompiledCode() {
  if (process.env.NODE_COMPILE_CACHE !== undefined) return
  const { enableCompileCache } = await import('node:module')
  // Beside the code, writable by whom the code is: not in `/tmp`, where others could leave some.
  const folder = join(here, '..', '..', 'node_modules', '.cache', 'aries')
  if (enableCompileCache(folder).directory !== undefined) process.env.NODE_COMPILE_CACHE = folder
}

if (newEnough()) {
  void keepCompiledCode()
    .then(() => import('node:url'))
    .then((url) => import(url.pathToFileURL(main).href))
} else {
  const node = pinnedNode()
  if (node === undefined) {
    console.error(
      `aries: needs Node.js ${WANTED.join('.')} or newer, and this is ${process.versions.node}.\n` +
        '  Install a newer one, or run `npm ci` in the folder of Aries, which brings the right one.',
    )
    process.exit(1)
  } else {
    handOver(node)
  }
}
