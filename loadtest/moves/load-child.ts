/** Process of a load of `bench:moves`: forked, told what to ask for, asked what came of it. */
import { Client, OpenLoop } from '../../test/helpers/load.ts'
import { type FromLoad, type LoadPlan, nowMs, type Span, type ToLoad } from './plan.ts'

const TOLD_EVERY_MS = 500

class Load {
  readonly #plan: LoadPlan
  readonly #client: Client
  readonly #loop: OpenLoop
  readonly #spans: Span[] = []
  readonly #written: number[] = []
  readonly #bad: string[] = []

  constructor(plan: LoadPlan) {
    this.#plan = plan
    this.#client = new Client(plan.url)
    this.#loop = new OpenLoop(plan.perSecond, (n) => this.#one(n))
  }

  get sent(): number {
    return this.#loop.sent
  }

  start(): void {
    this.#loop.start()
  }

  async stop(): Promise<FromLoad> {
    await this.#loop.stop()
    await this.#client.close()
    const { sent } = this
    return { type: 'ended', sent, spans: this.#spans, written: this.#written, bad: this.#bad }
  }

  async #one(n: number): Promise<void> {
    const { reads, writes, writeEvery } = this.#plan
    const isWrite = writeEvery > 0 && n % writeEvery === 0
    const path = isWrite ? writes[(n / writeEvery) % writes.length]! : reads[n % reads.length]!
    const sentMs = nowMs()
    try {
      const { status, body, ms } = await this.#client.send(isWrite ? 'POST' : 'GET', path)
      if (status !== 200) throw new Error(`${status} ${body}`)
      this.#spans.push({ sentMs, ms })
      if (isWrite) this.#written.push((JSON.parse(body) as { writes: number }).writes)
    } catch (error) {
      this.#bad.push(`${path}: ${String(error)}`)
    }
  }
}

function tell(message: FromLoad): void {
  process.send!(message)
}

let load: Load | undefined

process.on('message', (message: ToLoad) => {
  if (message.type === 'start') {
    load = new Load(message.plan)
    load.start()
    setInterval(() => tell({ type: 'sent', sent: load!.sent }), TOLD_EVERY_MS).unref()
  } else {
    void load!.stop().then(tell)
  }
})
process.once('disconnect', () => process.exit(0))
