/** `aries dev`: changed code is deployed by itself, and it is said how that went. */
import { formatFile } from '../../config/problems.ts'
import type { Config } from '../../config/schema.ts'
import { toAriesError } from '../../errors.ts'
import { withClient } from '../client.ts'
import { reportText, rollOut } from '../deploy.ts'
import { CodeWatch } from './code-watch.ts'

export class AutoDeploy {
  readonly #tell: (line: string) => void
  readonly #admin: string
  readonly #watch: CodeWatch
  /** Changed since the last deploy began. */
  #pending = new Set<string>()
  #running = false
  #closed = false

  /** `admin`: address of a member to ask. */
  constructor(tell: (line: string) => void, init: { admin: string }) {
    this.#tell = tell
    this.#admin = init.admin
    this.#watch = new CodeWatch((files) => {
      for (const file of files) this.#pending.add(file)
      void this.#run()
    })
  }

  set(config: Config): Promise<void> {
    return this.#watch.set(config)
  }

  close(): void {
    this.#closed = true
    this.#watch.close()
  }

  /** One at a time; what changes meanwhile is deployed after it. */
  async #run(): Promise<void> {
    if (this.#running) return
    this.#running = true
    while (this.#pending.size > 0 && !this.#closed) {
      const files = [...this.#pending].map(formatFile)
      this.#pending = new Set()
      const more = files.length > 1 ? ` and ${files.length - 1} more` : ''
      this.#tell(`${files[0]}${more} changed, deploying`)
      try {
        await this.#deploy()
      } catch (error) {
        if (!this.#closed) this.#tell(`not deployed: ${toAriesError(error).message}`)
      }
    }
    this.#running = false
  }

  async #deploy(): Promise<void> {
    await withClient({ admin: this.#admin }, async (client) => {
      let nodes = 0
      for await (const report of rollOut(client, undefined)) {
        if (report.failure !== null) {
          this.#tell(reportText(report))
          return
        }
        nodes++
      }
      this.#tell(`deployed on ${nodes} node${nodes === 1 ? '' : 's'}`)
    })
  }
}
