/** A shell, npm and a launcher may each pass on the one Ctrl-C of the terminal. */
const SAME_MS = 500

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface StopHandlers {
  /** Asked to stop. */
  onFirst(reason: string): void
  /** Asked again: at once. */
  onSecond(): void
}

/** Listens to SIGINT, SIGTERM and SIGHUP; returns how to stop listening. */
export function onStopSignals(handlers: StopHandlers): () => void {
  let firstMs: number | undefined
  const hear = (signal: NodeJS.Signals): void => {
    const now = performance.now()
    if (firstMs === undefined) {
      firstMs = now
      handlers.onFirst(signal)
    } else if (now - firstMs > SAME_MS) handlers.onSecond()
  }
  for (const signal of SIGNALS) process.on(signal, hear)
  return () => {
    for (const signal of SIGNALS) process.off(signal, hear)
  }
}
