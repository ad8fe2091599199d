import { stat } from 'node:fs/promises'

/** Differs when the file was written, replaced, made or removed since. */
export async function fileSign(file: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(file)
    return `${ino} ${size} ${mtimeMs}`
  } catch {
    return 'absent'
  }
}
