import { remark } from './output.ts'

const INTERVAL_MS = 500

/** Runs `work`, and tells on stderr what `ask` says meanwhile, each time that it is something new. */
export async function withProgress<T>(
  ask: () => Promise<string | undefined>,
  work: () => Promise<T>,
): Promise<T> {
  let over = false
  let asking = false
  let told: string | undefined
  const tell = async (): Promise<void> => {
    if (asking) return
    asking = true
    // The work itself tells when nobody answers any more.
    const line = await ask().catch(() => undefined)
    asking = false
    if (over || line === undefined || line === told) return
    told = line
    remark(line)
  }
  const timer = setInterval(() => void tell(), INTERVAL_MS)
  try {
    return await work()
  } finally {
    over = true
    clearInterval(timer)
  }
}
