/**
 * The commands as commander parses them. What a command does is imported when it runs, so that
 * `--help` does not wait for it; `docs/reference/cli.md` is generated from here.
 */
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { parseAddress } from '../config/address.ts'
import { parseWorkerId, type WorkerId } from '../identity.ts'
import { WORKERS_LIMIT_MAX } from '../rpc.ts'
import { VERSION } from '../version.ts'
import { WORKER_ORDERS } from '../worker-order.ts'

export const ADMIN_DEFAULT = '127.0.0.1:7300'

/** `exit` hears the exit code of the commands that have one of their own. */
export function buildProgram(exit: (code: number) => void = () => {}): Command {
  const program = new Command('aries')
    .description('A clustered internet server: places every request where it costs least.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .enablePositionalOptions()
    .configureHelp({ showGlobalOptions: false })
    .showHelpAfterError('See --help.')
    .addHelpText('after', AFTER)
  addRunning(program, exit)
  addReading(program, exit)
  addChanging(program, exit)
  addSimulating(program)
  addJobs(program, exit)
  return program
}

const AFTER = `
Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 78 the configuration is not valid.
Environment: ARIES_ADMIN, ARIES_CLUSTER_KEY (for jobs), ARIES_CONFIG, ARIES_LOG (a log level; debug also prints stacks), NO_COLOR.`

function addRunning(program: Command, exit: (code: number) => void): void {
  command(program, 'dev', 'start the whole cluster of the configuration on this machine')
    .addOption(configOption())
    .option('--nodes <n>', 'as many nodes instead of those of the map', countOption(100))
    .option('--no-restart', 'leave a process that died as it is')
    .addHelpText('after', example('aries dev --nodes 5'))
    .action(async (options) => exit(await (await import('./dev.ts')).dev(options)))
  command(program, 'front', 'run a front of the map in the foreground')
    .addOption(configOption())
    .addOption(mapOption())
    .option('--id <id>', 'which front of the map', 'f1')
    .addHelpText('after', example('aries front --id f1'))
    .action(async (options) => exit(await (await import('./front.ts')).front(options)))
  command(program, 'node', 'run a node of the map in the foreground')
    .addOption(configOption())
    .addOption(mapOption())
    .requiredOption('--id <id>', 'which node of the map')
    .option('--join <address>', 'the map need not have it: it joins from this address')
    .option('--ports <gossip,data,admin>', 'with --join: its ports')
    .option('--speed <factor>', 'with --join: speed of its cores, as in the map')
    .addHelpText('after', example('aries node --id n4'))
    .action(async (options) => exit(await (await import('./node.ts')).node(options)))
}

function addReading(program: Command, exit: (code: number) => void): void {
  command(program, 'check', 'tell whether the configuration and the map are valid')
    .addOption(configOption())
    .addOption(mapOption())
    .addOption(jsonOption())
    .addHelpText('after', example('aries check --config /etc/aries/aries.yaml'))
    .action(async (options) => (await import('./check.ts')).check(options))
  reading(program, 'status', 'show members, readiness, processes, routes and what is wrong')
    .addHelpText('after', example('aries status'))
    .action(async (options) => (await import('./status.ts')).status(options))
  reading(program, 'nodes', 'show the members with their loads and costs')
    .addHelpText('after', example('aries nodes --json'))
    .action(async (options) => (await import('./nodes.ts')).nodes(options))
  reading(program, 'ps', 'show the workers: where they live and what they use')
    .option('--limit <n>', 'show so many', countOption(WORKERS_LIMIT_MAX), 50)
    .addOption(
      new Option('--order <order>', 'what uses most first, by name, or by a figure')
        .choices(WORKER_ORDERS)
        .default('load'),
    )
    .option('--after <class/key>', 'by name, from the one after this', worker)
    .addHelpText('after', example('aries ps --order name --limit 1000'))
    .action(async (options) => (await import('./ps.ts')).ps(options))
  reading(program, 'top', 'watch members and workers live')
    .option('--once', 'print both tables once; needs no terminal')
    .addOption(
      new Option('--view <table>', 'the table to begin with')
        .choices(['nodes', 'workers'])
        .default('nodes'),
    )
    .option('--sort <order>', 'what that table is sorted by, as `cpu`')
    .option('--filter <text>', 'only members or workers with this in their name')
    .addHelpText(
      'after',
      `
Keys: q quits, tab shows the other table, left and right or a letter sort, r reverses, / filters
(enter keeps, escape clears), space pauses. Of workers it asks for as many as the screen has lines.
${example('aries top --view workers --sort requests')}`,
    )
    .action(async (options) => exit(await (await import('./top.ts')).top(options)))
  reading(
    program,
    'explain',
    'show why a worker lives where it does, or a request went where it did',
  )
    .addArgument(workerArgument().argOptional())
    .option('--requests', 'list the requests that fronts wrote down (front.explain)')
    .option('--request <id>', 'one of them, by its id or that of its trace')
    .addHelpText('after', example('aries explain counter/a'))
    .action(async (worker, options, self: Command) => {
      const asked = [worker, options.requests, options.request].filter((each) => each !== undefined)
      if (asked.length !== 1) self.error('error: name a worker, or --requests, or --request <id>')
      if (worker) await (await import('./explain.ts')).explain(worker, options)
      else await (await import('./explain-requests.ts')).explainRequests(options)
    })
}

function addChanging(program: Command, exit: (code: number) => void): void {
  reading(program, 'move', 'move a worker to another node while it serves')
    .addArgument(workerArgument())
    .argument('<node>', 'id of the node that it goes to')
    .addHelpText('after', example('aries move counter/a n3'))
    .action(async (worker, to, options) => (await import('./move.ts')).move(worker, to, options))
  reading(program, 'freeze', 'have a worker take no requests until it is thawed')
    .addArgument(workerArgument())
    .addHelpText('after', example('aries freeze counter/a'))
    .action(async (worker, options) => (await import('./freeze.ts')).freeze(worker, options))
  reading(program, 'thaw', 'take a frozen worker back into use')
    .addArgument(workerArgument())
    .addHelpText('after', example('aries thaw counter/a'))
    .action(async (worker, options) => (await import('./thaw.ts')).thaw(worker, options))
  reading(program, 'checkpoint', 'write the committed state of a worker to a file while it serves')
    .addArgument(workerArgument())
    .option('--output <file>', 'the file, instead of standard output')
    .addHelpText('after', example('aries checkpoint counter/a > a.checkpoint'))
    .action(async (worker, options) => {
      await (await import('./checkpoint.ts')).checkpoint(worker, options)
    })
  reading(program, 'recover', 'give a worker the state of a checkpoint')
    .argument('<file>', 'what `aries checkpoint` wrote')
    .option('--as <class/key>', 'another worker than the one that it was taken of', worker)
    .option('--replace', 'also over a state that the worker has now')
    .addHelpText('after', example('aries recover a.checkpoint --as counter/b'))
    .action(async (file, options) => (await import('./recover.ts')).recover(file, options))
  reading(program, 'deploy', 'run the code of workers and tasks as it is on disk now')
    .option('--node <id...>', 'only these nodes, in this order (default: every one that is alive)')
    .addHelpText(
      'after',
      `
New processes load the modules anew, the workers move into them while they serve, nothing is
dropped. One node after another; it stops at the first that fails, and what has not moved by then
stays on the old code.
${example('aries deploy')}`,
    )
    .action(async (options) => exit(await (await import('./deploy.ts')).deploy(options)))
  reading(program, 'restart', 'restart nodes, each emptied before, and fronts, without loss')
    .argument('[member...]', 'ids of nodes and fronts (default: every node that is alive)')
    .addHelpText(
      'after',
      `
For a new version of Aries or of Node, or settings that only a restart brings into force. It waits
until a node is ready again before it takes the next. Ctrl-C leaves the node that is under way in use.
A front hands its listening sockets to the new process and lets its clients go to it: see
docs/guides/front-restart.md.
${example('aries restart n1 f1')}`,
    )
    .action(async (ids, options) =>
      exit(await (await import('./restart.ts')).restart(ids, options)),
    )
  const keys = program.command('keys').description('see and replace the keys of the cluster')
  reading(keys, 'status', 'show which keys the members use and accept, by id')
    .addHelpText('after', example('aries keys status'))
    .action(async (options) => (await import('./keys.ts')).keysStatus(options))
  reading(keys, 'rotate', 'give every member a new key while all serve')
    .addOption(configOption())
    .addOption(mapOption())
    .option('--force', 'also while members are away, which cannot come back with the old key')
    .addHelpText(
      'after',
      `
The new key is installed with every member, then used by all, then the old one is removed. Every
member needs its key in a key file (\`keyFile:\` in the configuration). Stopped in the middle, it can
be run again from any state.
${example('aries keys rotate')}`,
    )
    .action(async (options) => (await import('./keys.ts')).keysRotate(options))
  reading(program, 'drain', 'move every worker off a node; it gets nothing new')
    .argument('<node>', 'id of the node')
    .addHelpText('after', example('aries drain n2'))
    .action(async (id, options) => exit(await (await import('./drain.ts')).drain(id, options)))
  reading(program, 'undrain', 'take a drained or cordoned node back into use')
    .argument('<node>', 'id of the node')
    .addHelpText('after', example('aries undrain n2'))
    .action(async (id, options) => (await import('./undrain.ts')).undrain(id, options))
  reading(program, 'upstreams', 'list the upstreams: who is out and why, who drains')
    .addHelpText('after', example('aries upstreams'))
    .action(async (options) => (await import('./upstreams.ts')).upstreams(options))
  reading(program, 'drain-upstream', 'send no new clients to an upstream; wait until it is idle')
    .argument('<url>', 'the upstream, as the configuration names it')
    .option(
      '--for <seconds>',
      'how long clients that are bound to it by cookie may stay',
      countOption(604_800),
      600,
    )
    .option('--no-wait', 'do not wait until nothing is in flight there')
    .addHelpText(
      'after',
      `
Every front that is alive is told; one that starts later is not: \`drain: true\` in the configuration lasts.
${example('aries drain-upstream http://10.0.0.1:8080 --for 60')}`,
    )
    .action(async (url, options) =>
      exit(await (await import('./upstreams.ts')).drainUpstream(url, options)),
    )
  reading(program, 'undrain-upstream', 'take a drained upstream back into use')
    .argument('<url>', 'the upstream, as the configuration names it')
    .addHelpText('after', example('aries undrain-upstream http://10.0.0.1:8080'))
    .action(async (url, options) => (await import('./upstreams.ts')).undrainUpstream(url, options))
  reading(program, 'cordon', 'place nothing new on a node; what lives there stays')
    .argument('<node>', 'id of the node')
    .addHelpText('after', example('aries cordon n2'))
    .action(async (id, options) => (await import('./cordon.ts')).cordon(id, options))
}

function addSimulating(program: Command): void {
  command(program, 'simulate', 'compare ways to place jobs, on the machines and jobs of a scenario')
    .option('--scenario <name|file>', 'a scenario that ships, or a file of your own', 'epvm')
    .option(
      '--policy <name...>',
      'only these policies, the first being what others are compared to',
    )
    .option('--seeds <n>', 'run so many times, each with other jobs', countOption(100_000), 200)
    .option('--from <seed>', 'the first seed', countOption(2 ** 31), 1)
    .option('--quick', 'a short run: 20 seeds at most; scaling: up to 64 nodes')
    .option('--json <file>', 'write the figures to a file too')
    .addHelpText('after', SIMULATE_AFTER)
    .action(async (options) => (await import('./simulate.ts')).simulate(options))
}

const SIMULATE_AFTER = `
Every policy gets the same jobs with the same seed. Slowdown: how many times longer a job took than
alone on the fastest machine. Scenarios that ship: epvm (the paper whose cost Aries builds on),
epvm-each, epvm-long, failures, late-news; and scaling: throughput per node and p99 of the production
core at 1 to 1,024 nodes. Policies: round-robin, least-loaded, e-pvm, mosix, e-mosix,
aries (the production core). What a scenario file may say: docs/reference/scenarios.md.
${example('aries simulate --scenario epvm --policy round-robin aries --seeds 50')}`

function addJobs(program: Command, exit: (code: number) => void): void {
  reading(program, 'run', 'run a module once, on the node where it costs least')
    .argument('<module>', 'below a folder of `jobs.folders`; with ./ or / a file of this machine')
    .argument('[args...]', 'what it gets as arguments; options of `aries run` stand before')
    .passThroughOptions()
    .option('--cpu <cores>', 'cores that it will use', numberOption(0.01, 1_024), 1)
    .option('--memory <mib>', 'mebibytes that it will use', numberOption(0, 16_777_216), 0)
    .option('--priority <n>', 'larger goes first while the cluster is full', wholeOption(1_000), 0)
    .option('--restart', 'run it again on another node when its node is lost or drained')
    .option('--detach', 'print its id and leave it')
    .option('--no-input', 'give it no standard input, though there is some')
    .addHelpText(
      'after',
      `
Prints what the job prints and ends with its exit code, or 128 + the number of the signal that ended
it. Ctrl-C ends the job, twice leaves it; it also goes on when the terminal is closed. Standard input
is passed on when it is a pipe or a file. See docs/guides/jobs.md.
${example('aries run --priority 5 primes.ts 1000000')}`,
    )
    .action(async (module, args, options) =>
      exit(await (await import('./run.ts')).run(module, args, options)),
    )
  reading(program, 'jobs', 'show the jobs that are queued or run')
    .option('--all', 'also those that have ended')
    .addHelpText('after', example('aries jobs --all'))
    .action(async (options) => (await import('./jobs.ts')).jobs(options))
  reading(program, 'logs', 'print what a job has printed')
    .argument('<job>', 'its id, as `aries jobs` prints it')
    .option('--follow', 'go on until it ends')
    .option('--tail <n>', 'only the last lines', countOption(1_000_000))
    .addHelpText('after', example('aries logs 0f3a9c21d4 --follow --tail 20'))
    .action(async (job, options) => (await import('./logs.ts')).logs(job, options))
  reading(program, 'kill', 'end a job with all that it started')
    .argument('<job>', 'its id, as `aries jobs` prints it')
    .option('--signal <signal>', 'send this and no more (default: SIGTERM, and SIGKILL later)')
    .addHelpText('after', example('aries kill 0f3a9c21d4 --signal INT'))
    .action(async (job, options) => (await import('./kill.ts')).kill(job, options))
}

function command(program: Command, name: string, description: string): Command {
  return program.command(name).description(description).allowExcessArguments(false)
}

function reading(program: Command, name: string, description: string): Command {
  return command(program, name, description)
    .addOption(
      new Option('--admin <host:port>', 'admin API of a front or node to ask')
        .env('ARIES_ADMIN')
        .default(ADMIN_DEFAULT)
        .argParser(address),
    )
    .addOption(jsonOption())
}

function configOption(): Option {
  return new Option(
    '--config <file>',
    'the configuration (default: config/aries.yaml here or above)',
  ).env('ARIES_CONFIG')
}

function mapOption(): Option {
  return new Option('--map <file>', 'the map, instead of the one that the configuration names')
}

function jsonOption(): Option {
  return new Option('--json', 'print JSON, errors too')
}

function workerArgument(): Argument {
  return new Argument('<class/key>', 'the worker, as `aries ps` prints it').argParser(worker)
}

function worker(text: string): WorkerId {
  try {
    return parseWorkerId(text)
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`)
  }
}

function example(text: string): string {
  return `\nExample:\n  $ ${text}`
}

function address(text: string): string {
  if (parseAddress(text) === undefined) {
    throw new InvalidArgumentError(`It must be host:port, as in ${ADMIN_DEFAULT}.`)
  }
  return text
}

function numberOption(min: number, max: number): (text: string) => number {
  return (text) => {
    const n = Number(text)
    if (text.trim() !== '' && n >= min && n <= max) return n
    throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`)
  }
}

function wholeOption(max: number): (text: string) => number {
  return (text) => {
    const n = numberOption(-max, max)(text)
    if (Number.isInteger(n)) return n
    throw new InvalidArgumentError('It must be a whole number.')
  }
}

function countOption(max: number): (text: string) => number {
  return (text) => {
    const n = Number(text)
    if (Number.isInteger(n) && n >= 1 && n <= max) return n
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${max}.`)
  }
}
