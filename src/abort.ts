/**
 * What `doing` comes to, or the reason of `signal` when that is aborted first. `doing` takes the
 * signal as well: undici heeds it only once it is connected, which to a machine that is cut off
 * takes as long as it may.
 */
export function untilAborted<T>(doing: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal.reason as Error)
    if (signal.aborted) aborted()
    signal.addEventListener('abort', aborted, { once: true })
    doing.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted))
  })
}
