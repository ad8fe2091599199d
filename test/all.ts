/**
 * Runs every test file, or those whose path has one of the arguments in it, each as a plain process
 * of Node. Tap's own runner puts hooks for coverage and mocks before every module of every process
 * and thread, which takes half a second of CPU of the smallest file and half of that of a large one.
 */
import { globSync } from 'node:fs'
import t from 'tap'

const JOBS = 2
const FILE_TIMEOUT_S = 600

const wanted = process.argv.slice(2)
const files = globSync('test/**/*.test.ts')
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .toSorted()

t.jobs = JOBS
// Each file has a limit of its own.
t.setTimeout(0)
const env = { ...process.env, TAP_TIMEOUT: `${FILE_TIMEOUT_S}` }
for (const file of files) {
  // The hooks would come with NODE_OPTIONS.
  const command = ['-u', 'NODE_OPTIONS', process.execPath, file]
  const options = { env, buffered: true, timeout: FILE_TIMEOUT_S * 1_000, at: null, stack: '' }
  void t.spawn('env', command, options, file)
}
