/**
 * Machines for tests whose cables can be pulled: network namespaces on a switch (a bridge), on
 * Linux. A machine that is cut off refuses nothing; what is sent to it vanishes.
 *
 * The program that wants some runs in a network namespace of its own (`inOwnNetwork`), so nothing
 * of the real network is touched, no name is left anywhere, and everything is gone with the last
 * process in it, however that ends.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Set in the program that runs in a network namespace of its own. */
const MARK = 'ARIES_TEST_NETWORK'
const SUBNET = '10.77.0'
/** On the switch: where what is on no machine of its own is reached. */
export const SWITCH_ADDRESS = `${SUBNET}.254`
export const SWITCH_SUBNET = `${SUBNET}.0/24`

interface Machine {
  /** Keeps the namespace; it ends when this program does. */
  readonly holder: ChildProcess
  readonly cable: string
}

/** The command that gives its arguments a network namespace; undefined when this user may not. */
function ownNetwork(): string[] | undefined {
  const tries =
    process.getuid?.() === 0
      ? [['unshare', '--net']]
      : [['unshare', '--user', '--map-current-user', '--keep-caps', '--net']]
  // What a switch with machines needs of the system.
  const needed =
    'ip link add name sw type bridge && ip link add name va type veth peer name vb && nsenter -V'
  return tries.find(([command, ...args]) => {
    const { status } = spawnSync(command!, [...args, 'sh', '-c', needed], { stdio: 'ignore' })
    return status === 0
  })
}

/** Whether `inOwnNetwork` would run this program again. */
export function mayMakeMachines(): boolean {
  return process.platform === 'linux' && ownNetwork() !== undefined
}

/** True when `Machines` can be made in this process. */
export function canMakeMachines(): boolean {
  return process.env[MARK] !== undefined
}

/**
 * Runs this program again, in a network namespace of its own, and resolves with its exit code;
 * undefined when this user may not, or when this is already the one that was run again.
 */
export async function inOwnNetwork(): Promise<number | undefined> {
  if (process.platform !== 'linux' || canMakeMachines()) return undefined
  const [command, ...args] = ownNetwork() ?? []
  if (command === undefined) return undefined
  const child = spawn(
    command,
    [...args, process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    { stdio: 'inherit', env: { ...process.env, [MARK]: '1' } },
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

export class Machines {
  readonly #machines: readonly Machine[]

  private constructor(machines: readonly Machine[]) {
    this.#machines = machines
  }

  /** `count` machines on one switch. */
  static async start(count: number): Promise<Machines> {
    if (!canMakeMachines()) throw new Error('not in a network of its own: see inOwnNetwork')
    ip('link set lo up')
    ip('link add name switch type bridge')
    ip(`address add ${SWITCH_ADDRESS}/24 dev switch`)
    ip('link set switch up')
    const machines: Machine[] = []
    for (let i = 0; i < count; i++) machines.push(await addMachine(i))
    return new Machines(machines)
  }

  address(i: number): string {
    return addressOf(i)
  }

  /** What to put before a command so that it runs on machine `i`. */
  on(i: number): string[] {
    return ['nsenter', `--net=/proc/${this.#machines[i]!.holder.pid}/ns/net`, '--']
  }

  /** Pulls the cable: from now on nothing comes to the machine and nothing leaves it. */
  cut(i: number): void {
    ip(`link set ${this.#machines[i]!.cable} down`)
  }

  mend(i: number): void {
    ip(`link set ${this.#machines[i]!.cable} up`)
  }

  /** What runs on them has ended. */
  async stop(): Promise<void> {
    await Promise.all(
      this.#machines.map(async ({ holder }) => {
        const gone = once(holder, 'exit')
        holder.stdin!.end()
        await gone
      }),
    )
    ip('link delete switch')
  }
}

function addressOf(i: number): string {
  return `${SUBNET}.${i + 1}`
}

async function addMachine(i: number): Promise<Machine> {
  const holder = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] })
  const cable = `cable${i}`
  await namespaceOf(holder.pid!)
  ip(`link add name ${cable} type veth peer name eth0 netns ${holder.pid}`)
  ip(`link set ${cable} master switch up`)
  const inside = ['link set lo up', `address add ${addressOf(i)}/24 dev eth0`, 'link set eth0 up']
  for (const line of inside) {
    execFileSync('nsenter', [`--net=/proc/${holder.pid}/ns/net`, 'ip', ...line.split(' ')])
  }
  return { holder, cable }
}

/** Resolves when process `pid` is in another network namespace than this one. */
async function namespaceOf(pid: number): Promise<void> {
  const mine = readlinkSync('/proc/self/ns/net')
  while (readlinkSync(`/proc/${pid}/ns/net`) === mine) await sleep(5)
}

function ip(line: string): void {
  execFileSync('ip', line.split(' '))
}
