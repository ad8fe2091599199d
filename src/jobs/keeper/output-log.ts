import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { encodeOutput, FRAME_BYTES_MAX, type Stream } from '../output-frames.ts'
import { segmentFile } from '../output-segments.ts'

/** A full log drops the oldest of so many files. */
const SEGMENTS = 8

/** Only the user of the node reads what jobs print. */
const PRIVATE_FOLDER = 0o700
const PRIVATE_FILE = 0o600

/** Keeps the newest `bytesMax` of what a job prints in a folder. */
export class OutputLog {
  readonly #folder: string
  readonly #segmentBytes: number
  readonly #kept: { readonly from: number; readonly file: string }[] = []
  #at = 0
  #file: FileHandle | undefined
  #fileBytes = 0
  #writing: Promise<void> = Promise.resolve()
  #failure: Error | undefined

  constructor(init: { folder: string; bytesMax: number }) {
    this.#folder = init.folder
    this.#segmentBytes = Math.floor(init.bytesMax / SEGMENTS)
  }

  /** Why output is being dropped; undefined while it is kept. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Resolves when it is written. A disk that takes no more does not stop the job: output is lost. */
  write(stream: Stream, text: Uint8Array): Promise<void> {
    this.#writing = this.#writing
      .then(() => this.#write(stream, text))
      .catch((error: Error) => {
        this.#failure ??= error
      })
    return this.#writing
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#file?.close()
    this.#file = undefined
  }

  async #write(stream: Stream, text: Uint8Array): Promise<void> {
    for (let from = 0; from < text.length; from += FRAME_BYTES_MAX) {
      const frame = encodeOutput(stream, text.subarray(from, from + FRAME_BYTES_MAX))
      const file = await this.#room(frame.length)
      await file.appendFile(frame)
      this.#at += frame.length
      this.#fileBytes += frame.length
    }
  }

  /** The file that takes the next frame. */
  async #room(bytes: number): Promise<FileHandle> {
    if (this.#failure) throw this.#failure
    if (this.#file && this.#fileBytes + bytes <= this.#segmentBytes) return this.#file
    await this.#file?.close()
    this.#file = undefined
    if (this.#kept.length === 0) {
      await mkdir(this.#folder, { recursive: true, mode: PRIVATE_FOLDER })
    }
    const file = segmentFile(this.#folder, this.#at)
    this.#file = await open(file, 'wx', PRIVATE_FILE)
    this.#kept.push({ from: this.#at, file })
    this.#fileBytes = 0
    if (this.#kept.length > SEGMENTS) await rm(this.#kept.shift()!.file, { force: true })
    return this.#file
  }
}
