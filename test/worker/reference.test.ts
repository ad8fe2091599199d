import { readFileSync } from 'node:fs'
import t from 'tap'
import { classSchema } from '../../src/config/schema/classes.ts'

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

/** What a class of workers may set on itself. */
function statics(source: string): string[] {
  return Array.from(source.matchAll(/^ {2}static readonly ([a-zA-Z]+)/gm), ([, name]) => name!)
}

/** Names of the members of an exported interface or class, read off its declaration. */
function members(source: string, declaration: RegExp): string[] {
  const start = source.search(declaration)
  const body = source.slice(start, source.indexOf('\n}', start))
  const names = body.matchAll(/^ {2}(?:readonly |abstract )*([a-zA-Z]+)(?:\?)?(?:<[^>]*>)?[(:]/gm)
  return [...names].map((match) => match[1]!).filter((name) => name !== 'constructor')
}

t.test(
  'the reference names every member that authors see, and none that is not there',
  async (t) => {
    const page = read('docs/reference/worker.md')
    const declared: Record<string, string[]> = {
      Worker: members(read('src/worker/worker.ts'), /export abstract class Worker/),
      static: statics(read('src/worker/worker.ts')),
      State: members(read('src/worker/state.ts'), /export interface State/),
      WorkerSocket: members(read('src/worker/socket.ts'), /export interface WorkerSocket/),
      'classes.<name>': Object.keys(classSchema.shape),
      Workers: members(read('src/worker/workers.ts'), /export interface Workers /),
      WorkerHandle: members(read('src/worker/workers.ts'), /export interface WorkerHandle/),
      CallOptions: members(read('src/worker/workers.ts'), /export interface CallOptions/),
      WorkerTcpSocket: members(
        read('src/worker/tcp-socket.ts'),
        /export interface WorkerTcpSocket/,
      ),
      TaskContext: members(read('src/worker/task.ts'), /export interface TaskContext/),
    }
    for (const [type, names] of Object.entries(declared)) {
      const start = page.indexOf(`| \`${type}\` | |`)
      t.ok(start > 0, `there is a table of ${type}`)
      const table = page.slice(start, page.indexOf('\n\n', start))
      const rows = table.split('\n').slice(2)
      const documented = rows.flatMap((row) =>
        [...row.split(' | ')[0]!.matchAll(/`([a-zA-Z]+)[^`]*`/g)].map((match) => match[1]!),
      )
      t.ok(names.length > 0, `${type} has members`)
      t.strictSame(documented.toSorted(), [...new Set(names)].toSorted(), type)
    }
  },
)
