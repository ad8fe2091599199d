import { spawn } from 'node:child_process'
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { BUGS, type Bug } from './bugs.ts'

const REPO = join(import.meta.dirname, '../..')

// Some are found after a hundred seeds and more: seconds, minutes on a busy machine.
t.setTimeout(900_000)

/** A copy of the sources to spoil. */
function copySources(folder: string): string {
  cpSync(join(REPO, 'src'), join(folder, 'src'), { recursive: true })
  cpSync(join(REPO, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(REPO, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

function simulate(folder: string, seeds: Bug['seeds']): Promise<string> {
  const how = seeds === 'walk' ? ['--exhaustive'] : ['--seeds', String(seeds), '--threads', '1']
  const args = ['src/sim/main.ts', '--area', 'move', ...how]
  const env = { ...process.env, NODE_OPTIONS: '' }
  const child = spawn(process.execPath, [...args, '--bail'], { cwd: folder, env })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  return new Promise((resolve) => child.once('close', () => resolve(text)))
}

async function find(folder: string, bug: Bug): Promise<string | undefined> {
  const file = join(folder, 'src', bug.file)
  const sound = readFileSync(file, 'utf8')
  writeFileSync(
    file,
    sound.replace(bug.find, () => bug.replace),
  )
  const text = await simulate(folder, bug.seeds)
  writeFileSync(file, sound)
  return /^ {2}I\d+ .*$/m.exec(text)?.[0]
}

t.test('every bug is a change to one place of the sources', async (t) => {
  for (const { name, file, find: text } of BUGS) {
    t.equal(readFileSync(join(REPO, 'src', file), 'utf8').split(text).length, 2, `${file}: ${name}`)
  }
  for (const phase of ['prepare', 'copy', 'fence', 'commit', 'switch', 'clean', 'rest']) {
    t.ok(
      BUGS.some((bug) => bug.phase === phase),
      `there is a bug in ${phase}`,
    )
  }
})

t.test('the simulation finds every one of them', async (t) => {
  const queue = [...BUGS]
  const folder = t.testdir({ a: {}, b: {} })
  const folders = [join(folder, 'a'), join(folder, 'b')]
  await Promise.all(
    folders.map(async (folder) => {
      copySources(folder)
      for (let bug = queue.shift(); bug; bug = queue.shift()) {
        const found = await find(folder, bug)
        t.ok(found, `${bug.phase}: ${bug.name}`)
        if (found) t.comment(found)
      }
    }),
  )
})
