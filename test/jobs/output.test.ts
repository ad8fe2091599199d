import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { lastLines } from '../../src/cli/job-output.ts'
import { OutputLog } from '../../src/jobs/keeper/output-log.ts'
import {
  encodeOutput,
  OutputDecoder,
  type OutputFrame,
  STREAM,
} from '../../src/jobs/output-frames.ts'
import { readOutput } from '../../src/jobs/output-reader.ts'
import { realWorld } from '../../src/world.ts'

function folder(t: import('tap').Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'aries-output-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return join(dir, 'job')
}

async function read(
  from: AsyncIterable<Buffer>,
  decoder = new OutputDecoder(),
): Promise<OutputFrame[]> {
  const frames: OutputFrame[] = []
  for await (const chunk of from) frames.push(...decoder.push(chunk))
  return frames
}

const dead = { from: 0, isLive: () => false }
const text = (frames: readonly OutputFrame[]): string =>
  frames.map(({ stream, bytes }) => `${stream}:${bytes}`).join('|')

t.test('what is written is read in its order, also from the middle', async (t) => {
  const dir = folder(t)
  const log = new OutputLog({ folder: dir, bytesMax: 1_000_000 })
  await Promise.all([
    log.write(STREAM.out, Buffer.from('one')),
    log.write(STREAM.err, Buffer.from('two')),
    log.write(STREAM.out, Buffer.alloc(150_000, 'x')),
  ])
  await log.close()
  const decoder = new OutputDecoder()
  const frames = await read(readOutput(realWorld.clock, dir, dead), decoder)
  t.match(text(frames), /^1:one\|2:two\|1:x{65536}\|1:x{65536}\|1:x{18928}$/)
  const rest = await read(readOutput(realWorld.clock, dir, { ...dead, from: 8 }))
  t.match(text(rest), /^2:two\|/)
  const none = await read(readOutput(realWorld.clock, dir, { ...dead, from: decoder.at }))
  t.strictSame(none, [])
  t.equal(statSync(dir).mode & 0o077, 0, 'for no other user')
})

t.test('of much the newest is kept, and a reader hears what is missing', async (t) => {
  const dir = folder(t)
  const log = new OutputLog({ folder: dir, bytesMax: 80_000 })
  const line = (i: number): Buffer => Buffer.from(`line ${i} ${'x'.repeat(90)}\n`)
  let live = true
  const slow = readOutput(realWorld.clock, dir, { from: 0, isLive: () => live })
  for (let i = 0; i < 50; i++) await log.write(STREAM.out, line(i))
  const decoder = new OutputDecoder()
  const seen = decoder.push((await slow.next()).value as Buffer)
  for (let i = 50; i < 5_000; i++) await log.write(STREAM.out, line(i))
  await log.close()
  live = false
  const bytes = readdirSync(dir).reduce((sum, file) => sum + statSync(join(dir, file)).size, 0)
  t.ok(bytes > 60_000 && bytes <= 90_000, `${bytes} bytes are kept`)
  seen.push(...(await read(slow, decoder)))
  const gaps = seen.filter(({ stream }) => stream === STREAM.gap)
  t.equal(gaps.length, 1, 'it goes on behind the gap')
  t.match(String(seen.at(-1)!.bytes), /^line 4999 /)
  const late = new OutputDecoder()
  const frames = await read(readOutput(realWorld.clock, dir, dead), late)
  t.equal(frames[0]!.stream, STREAM.gap)
  t.equal(late.at, decoder.at, 'both know where they are in the whole')
})

t.test('a reader waits for what comes while the job lives', async (t) => {
  const dir = folder(t)
  const log = new OutputLog({ folder: dir, bytesMax: 65_536 })
  let live = true
  // The clock of a node keeps no process alive; its sockets do.
  const awake = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(awake))
  const decoder = new OutputDecoder()
  const reading = read(readOutput(realWorld.clock, dir, { from: 0, isLive: () => live }), decoder)
  for (let i = 0; i < 300; i++) {
    await log.write(STREAM.out, Buffer.from(`${i},`))
    if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 30))
  }
  await log.close()
  live = false
  const frames = await reading
  t.equal(
    frames.map(({ bytes }) => String(bytes)).join(''),
    Array.from({ length: 300 }, (_, i) => `${i},`).join(''),
  )
})

t.test('where nothing can be written the job goes on, and it is known', async (t) => {
  const file = folder(t)
  writeFileSync(file, '')
  const none = join(file, 'none')
  const log = new OutputLog({ folder: none, bytesMax: 65_536 })
  await log.write(STREAM.out, Buffer.from('lost'))
  await log.write(STREAM.out, Buffer.from('lost'))
  t.type(log.failure, Error)
  await log.close()
  t.strictSame(await read(readOutput(realWorld.clock, none, dead)), [])
})

t.test('what is no frame is refused; a broken one is asked for again', async (t) => {
  t.throws(() => new OutputDecoder().push(Buffer.from('HTTP/1.1 200')), /not the output/)
  t.throws(() => new OutputDecoder().push(Buffer.from([1, 0xff, 0, 0, 0])), /not the output/)
  const decoder = new OutputDecoder()
  const frame = encodeOutput(STREAM.out, Buffer.from('hello'))
  t.strictSame(decoder.push(frame.subarray(0, 7)), [])
  decoder.restart()
  t.equal(decoder.at, 0)
  t.equal(text(decoder.push(frame)), '1:hello')
})

t.test('the last lines of both streams', async (t) => {
  const frames = ['a\nb', '\nc\n', 'd\n'].map((bytes, i) => ({
    stream: i === 1 ? STREAM.err : STREAM.out,
    bytes: Buffer.from(bytes),
  }))
  t.equal(text(lastLines(frames, 1)), '1:d\n')
  t.equal(text(lastLines(frames, 2)), '2:c\n|1:d\n')
  t.equal(text(lastLines(frames, 3)), '1:b|2:\nc\n|1:d\n')
  t.equal(text(lastLines(frames, 9)), text(frames))
  t.equal(text(lastLines([], 3)), '')
})
