import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const INDEX = fileURLToPath(new URL('../../src/worker/index.ts', import.meta.url))
const TSC = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url))
const ROOTS = fileURLToPath(new URL('../../node_modules/@types', import.meta.url))

const FLAGS = `--noEmit --strict --noImplicitOverride --skipLibCheck --ignoreConfig --allowImportingTsExtensions --target es2024 --module nodenext --types node --typeRoots ${ROOTS}`

const HEAD = `import { type Durability, Worker, type WorkerSocket } from '${INDEX}'`

/** The lines of the text, from 1, that the compiler finds something wrong with. */
function wrongLines(t: Test, text: string): number[] {
  const file = join(t.testdir({ 'sample.ts': `${HEAD}\n${text}` }), 'sample.ts')
  // tap has every child load its loaders; the compiler is not made for them.
  const args = ['NODE_OPTIONS=', process.execPath, TSC, ...FLAGS.split(' '), file]
  const { status, stdout, stderr } = spawnSync('env', args, { encoding: 'utf8' })
  const lines = [...stdout.matchAll(/sample\.ts\((\d+),/g)].map((match) => Number(match[1]) - 1)
  t.equal(status === 0, lines.length === 0, stdout + stderr)
  return [...new Set(lines)]
}

t.test('a worker that uses everything compiles', async (t) => {
  const text = `
interface Entries { count: number; tags: Set<string>; last?: Date }
export default class Sample extends Worker<Entries> {
  static override readonly durability = 'relaxed'
  static override readonly idempotency = { keysMax: 100, ageMs: 3_600_000 }
  static override readonly version = 2
  override start(): void { this.state.delete('last') }
  override stop(reason: 'moved' | 'closed'): void { console.log(reason) }
  async fetch(request: Request): Promise<Response> {
    const count: number = this.state.get('count') ?? 0
    this.state.set('count', count + 1).set('tags', new Set([request.url]))
    this.setAlarm(Date.now() + 1_000)
    for (const [name, value] of this.state.entries()) console.log(name satisfies keyof Entries, value)
    const alarm: number | null = this.getAlarm()
    return Response.json({ count, alarm, node: this.node, size: this.webSockets.size })
  }
  override alarm(at: number): void { this.state.set('last', new Date(at)) }
  override webSocketOpen(ws: WorkerSocket, request: Request): void { ws.send(request.url) }
  override webSocketMessage(ws: WorkerSocket, message: string | Uint8Array): void { ws.send(message) }
  override webSocketClose(ws: WorkerSocket, code: number, reason: string): void { console.log(ws.id, code, reason) }
}
export const strict: Durability = Worker.durability
`
  t.same(wrongLines(t, text), [])
})

t.test('what is wrong does not', async (t) => {
  const lines = [
    'export class NoFetch extends Worker {}',
    'export class Odd extends Worker<{ count: number }> {',
    '  override alarm(at: Date): void { console.log(at) }',
    '  fetch(): Response {',
    "    this.state.set('count', 'one')",
    "    this.state.set('cuont', 1)",
    "    const count: number = this.state.get('count')",
    '    this.state = new Map()',
    "    this.setAlarm('soon')",
    '    for (const ws of this.webSockets) ws.send(count)',
    '    return new Response()',
    '  }',
    '}',
    'abstract class Eventual extends Worker {',
    "  static override readonly durability = 'eventual'",
    '}',
    'abstract class Many extends Worker {',
    "  static override readonly idempotency = { keysMax: 'many' }",
    '}',
    'export const classes = [Eventual, Many]',
  ]
  t.same(
    wrongLines(t, lines.join('\n')).sort((a, b) => a - b),
    [1, 3, 5, 6, 7, 8, 9, 10, 14, 17],
  )
})
