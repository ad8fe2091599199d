/** How tests wait: for a condition with a deadline, never for a time. */

/** Short at first: many conditions hold for a moment only. */
const PAUSE_MS = { first: 2, last: 20 }
/** A check that asks others keeps them from what they are to do: it gets a fifth of the time at most. */
const ASKING = { pausePerMs: 4, pauseMsMax: 100 }

/**
 * Resolves when `holds` does. A check that throws does not hold yet. Rejects after `timeoutMs`,
 * naming `what` was waited for, with the last error of the check as its cause.
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const endMs = performance.now() + timeoutMs
  let pauseMs = PAUSE_MS.first
  let cause: unknown
  do {
    const askedMs = performance.now()
    try {
      if (await holds()) return
    } catch (error) {
      cause = error
    }
    const tookMs = performance.now() - askedMs
    const waitMs = Math.max(pauseMs, Math.min(ASKING.pausePerMs * tookMs, ASKING.pauseMsMax))
    await new Promise((resolve) => setTimeout(resolve, waitMs))
    pauseMs = Math.min(pauseMs * 1.25, PAUSE_MS.last)
  } while (performance.now() < endMs)
  throw new Error(`waited ${timeoutMs} ms in vain: ${what}`, { cause })
}
