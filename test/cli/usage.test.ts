import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import t from 'tap'
import { buildProgram } from '../../src/cli/program.ts'
import { referenceFiles } from '../../src/cli/reference.ts'
import { outdated } from '../../src/generated.ts'
import { CONFIG, configFolder, MAP } from '../config/config-folder.ts'
import { aries, ariesHere, cleanEnv } from './aries.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Those that do something, with the names of those that they stand under. */
function commandsOf(command: Command, above = ''): [name: string, command: Command][] {
  return command.commands.flatMap((each): [string, Command][] => {
    const name = `${above}${each.name()}`
    return each.commands.length > 0 ? commandsOf(each, `${name} `) : [[name, each]]
  })
}

t.test('every command has a help with an example', async (t) => {
  const names = commandsOf(buildProgram()).map(([name]) => name)
  t.strictSame(
    names.toSorted(),
    'check,checkpoint,cordon,deploy,dev,drain,drain-upstream,explain,freeze,front,jobs,keys rotate,keys status,kill,logs,move,node,nodes,ps,recover,restart,run,simulate,status,thaw,top,undrain,undrain-upstream,upstreams'.split(
      ',',
    ),
  )
  for (const name of names) {
    const { code, stdout, stderr } = await ariesHere([...name.split(' '), '--help'])
    t.equal(code, 0)
    t.equal(stderr, '')
    t.match(
      stdout,
      new RegExp(`^Usage: aries ${name} [\\s\\S]*\\nExample:\\n {2}\\$ aries ${name}`),
    )
  }
  const { code, stdout } = await aries(['--help'])
  t.equal(code, 0)
  for (const name of names) t.match(stdout, new RegExp(`^  ${name.split(' ')[0]} `, 'm'))
})

t.test('every command that reads or changes takes --json and --admin', async (t) => {
  for (const [name, command] of commandsOf(buildProgram())) {
    const options = command.options.map((option) => option.long)
    const runs = ['dev', 'front', 'node'].includes(name)
    t.equal(options.includes('--json'), !runs, name)
    const asks = !runs && !['check', 'simulate'].includes(name)
    t.equal(options.includes('--admin'), asks, name)
  }
})

t.test('wrong usage ends with 2 and a hint', async (t) => {
  const wrong: [string[], RegExp][] = [
    [['stauts'], /Did you mean status\?/],
    [[], /Usage: aries/],
    [['move', 'counter/a'], /missing required argument 'node'/],
    [['ps', 'x'], /too many arguments/],
    [['ps', '--jsno'], /Did you mean --json\?/],
    [['node'], /required option '--id <id>' not specified/],
    [['ps', '--admin', 'nowhere'], /must be host:port/],
    [['move', 'counter', 'n1'], /"counter" is not <class>\/<key>/],
    [['ps', '--after', '/a'], /"\/a" is not <class>\/<key>/],
    [['dev', '--nodes', '0'], /whole number from 1 to 100/],
  ]
  for (const [args, words] of wrong) {
    const { code, stdout, stderr } = await ariesHere(args)
    t.equal(code, 2, args.join(' '))
    t.equal(stdout, '')
    t.match(stderr, words)
  }
})

t.test('--version prints that of the package', async (t) => {
  const { code, stdout } = await aries(['--version'])
  t.equal(code, 0)
  t.match(stdout, /^\d+\.\d+\.\d+\n$/)
})

t.test('check finds the configuration from below, and tells what it holds', async (t) => {
  const folder = t.testdir({ deep: { down: {} } })
  configFolder(folder)
  const { code, stdout } = await aries(['check'], { cwd: `${folder}/deep/down` })
  t.equal(code, 0)
  t.match(stdout, /aries\.yaml is valid: 3 routes\n/)
  t.match(stdout, /cluster\.yaml is valid: cluster demo, epoch 1, 2 nodes, 1 front\n/)
  const json = await ariesHere(['check', '--json'], {
    env: { ARIES_CONFIG: `${folder}/config/aries.yaml` },
  })
  t.match(JSON.parse(json.stdout), { cluster: 'demo', epoch: 1, members: ['n1', 'n2', 'f1'] })
})

t.test('check refuses a bad configuration with 78 and every problem', async (t) => {
  const { config } = configFolder(t.testdir(), {
    config: `${CONFIG}fornt: {}\n`,
    map: MAP.replace('epoch: 1', 'epoch: none'),
  })
  const { code, stdout, stderr } = await ariesHere(['check', '--config', config])
  t.equal(code, 78)
  t.equal(stdout, '')
  t.match(stderr, /^aries: 2 problems\n/)
  t.match(stderr, /aries\.yaml:8:1: fornt: is not a known key; did you mean `front`\?\n/)
  t.match(stderr, /cluster\.yaml:2:8: epoch: expected a number, found a string\n/)
})

t.test('check without a configuration says where it looked', async (t) => {
  const { code, stderr } = await aries(['check'], { cwd: '/' })
  t.equal(code, 78)
  t.match(stderr, /there is no config\/aries\.yaml in \/ or above it; name one with --config/)
})

t.test('a reader that goes away is no error', async (t) => {
  const main = `${ROOT}src/cli/bin.js`
  const child = spawn('sh', ['-c', `"${process.execPath}" "${main}" --help | true; exit 0`], {
    env: cleanEnv(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (part) => {
    stderr += part
  })
  await new Promise((resolve) => child.on('close', resolve))
  t.equal(stderr, '')
})

t.test('output that cannot be written ends with 1 and the reason', async (t) => {
  const main = `${ROOT}src/cli/bin.js`
  const child = spawn('sh', ['-c', `exec "${process.execPath}" "${main}" --help > /dev/full`], {
    env: cleanEnv(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (part) => {
    stderr += part
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  t.equal(code, 1)
  t.match(stderr, /^aries: the output cannot be written: ENOSPC[^\n]*\n$/)
})

t.test('a data folder that is a file is told as such', async (t) => {
  const folder = t.testdir({ data: 'a file' })
  const { config } = configFolder(folder)
  const { code, stderr } = await ariesHere(['dev', '--config', config])
  t.equal(code, 78)
  t.match(stderr, /^aries: .*data.* cannot be a folder: there is a file where a folder has to be\n/)
})

t.test('the launcher hands over to the command and its exit code', async (t) => {
  const run = (args: string[]) =>
    new Promise<{ code: number | null; text: string }>((resolve) => {
      const child = spawn(process.execPath, [`${ROOT}src/cli/bin.js`, ...args], { env: cleanEnv() })
      let text = ''
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (part) => {
          text += part
        })
      }
      child.on('close', (code) => resolve({ code, text }))
    })
  t.match(await run(['--version']), { code: 0, text: /^\d+\.\d+\.\d+\n$/ })
  t.match(await run(['nonsense']), { code: 2, text: /unknown command/ })
})

t.test('the reference pages are those of the code', async (t) => {
  t.strictSame(outdated(referenceFiles()), [], 'run: node src/cli/reference.ts')
})
