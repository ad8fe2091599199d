/** The files that hold the output of a job: each is named by where in the whole it begins. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

const NAME = /^output-(\d{15})$/

export interface Segment {
  readonly file: string
  /** Bytes of the whole output before it. */
  readonly from: number
}

export function segmentFile(folder: string, from: number): string {
  return join(folder, `output-${String(from).padStart(15, '0')}`)
}

/** Those that are there, in order; none when the folder is not. */
export async function listSegments(folder: string): Promise<Segment[]> {
  const names = await readdir(folder).catch(() => [])
  return names
    .flatMap((name) => {
      const from = NAME.exec(name)?.[1]
      return from === undefined ? [] : [{ file: join(folder, name), from: Number(from) }]
    })
    .toSorted((a, b) => a.from - b.from)
}
