import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { AriesError } from '../errors.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import { withClient } from './client.ts'
import type { ReadOptions } from './options.ts'
import { printJson, remark } from './output.ts'

/** A checkpoint holds all that the worker knows: nobody but its owner reads the file. */
const PRIVATE = 0o600

export interface CheckpointOptions extends ReadOptions {
  readonly output?: string
}

/** `aries checkpoint <class>/<key>` */
export async function checkpoint(id: WorkerId, options: CheckpointOptions): Promise<void> {
  const { output, json } = options
  if (output === undefined && (json || process.stdout.isTTY)) {
    throw new AriesError(
      'ARIES_E_BAD_REQUEST',
      `${json ? 'with --json' : 'a checkpoint is not text for a terminal:'} name a file with --output`,
    )
  }
  const bytes = await withClient(options, async (client) => {
    const file = await client.download('GET /api/workers/{class}/{key}/checkpoint', { ...id })
    let count = 0
    file.on('data', (chunk: Buffer) => {
      count += chunk.length
    })
    if (output === undefined) await pipeline(file, process.stdout, { end: false })
    else await saveAs(output, (part) => pipeline(file, createWriteStream(part, { mode: PRIVATE })))
    return count
  })
  if (output === undefined) return
  if (json) printJson({ ...id, file: output, bytes })
  else remark(`${formatWorkerId(id)}: ${bytes} bytes in ${output}`)
}

/** The file is there whole or not at all. */
async function saveAs(file: string, write: (part: string) => Promise<void>): Promise<void> {
  const part = `${file}.part`
  try {
    await write(part)
    await rename(part, file)
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}
