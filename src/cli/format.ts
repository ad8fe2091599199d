/** Figures as people read them. */

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB']

/** Powers of 1000: `1.2 MB`. */
export function bytes(count: number): string {
  let value = count
  let unit = 0
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${BYTE_UNITS[unit]}`
}

/** A short time: `0.35 ms`, `12 ms`, `1.2 s`. */
export function milliseconds(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(2)} ms`
}

/** How long something has lasted: `45s`, `12m`, `3h 20m`, `4d 2h`. */
export function age(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours}h ${minutes % 60}m`
  return `${Math.floor(hours / 24)}d ${hours % 24}h`
}

/** How long ago that was, on a clock that may be a little ahead of ours. */
export function ageSince(atMs: number): string {
  return age(Math.max(0, Date.now() - atMs))
}

export function percent(part: number): string {
  return `${(part * 100).toFixed(part < 0.1 ? 1 : 0)}%`
}

export function number(value: number, digits: number): string {
  return value.toFixed(digits)
}

/** `1 node`, `3 nodes` */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`
}
