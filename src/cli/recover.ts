import { readFile } from 'node:fs/promises'
import { AriesError } from '../errors.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import { decodeCheckpoint } from '../store/checkpoint.ts'
import { withClient } from './client.ts'
import type { ReadOptions } from './options.ts'
import { print, printJson, remark } from './output.ts'

export interface RecoverOptions extends ReadOptions {
  readonly as?: WorkerId
  readonly replace?: boolean
}

/** `aries recover <file>` */
export async function recover(file: string, options: RecoverOptions): Promise<void> {
  const bytes = await readFile(file).catch((error: Error) => {
    throw new AriesError('ARIES_E_CHECKPOINT', error.message)
  })
  const saved = decodeCheckpoint(bytes)
  const id = options.as ?? { class: saved.class, key: saved.key }
  const report = await withClient(options, (client) =>
    client.upload('POST /api/workers/{class}/{key}/recover', { ...id }, bytes, {
      replace: String(options.replace === true),
    }),
  )
  if (report.untold) {
    remark(`${report.untold} does not answer: until it does it may still answer old reads`)
  }
  if (options.json) printJson(report)
  else {
    const { seq, takenAt } = saved
    print(`${formatWorkerId(id)} has the state of turn ${seq}, saved at ${takenAt}`)
  }
}
