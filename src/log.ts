import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino'

export type { Logger }

/** Who writes: the process (`front f1`, `node n2`, `host n2/1`) and, in children, the component. */
export interface LogIdentity {
  readonly role: 'front' | 'node' | 'keeper' | 'pool' | 'host' | 'dev' | 'cli'
  readonly id: string
}

const REDACTED = [
  'key',
  '*.key',
  'keys',
  '*.keys',
  'headers.authorization',
  'headers.cookie',
  '*.password',
]

/**
 * The one root logger of a process. JSON lines on stderr: stdout belongs to what a command prints.
 * `level` comes from `log.level` of the configuration, or `ARIES_LOG`.
 */
export function createLogger(
  identity: LogIdentity,
  level = process.env['ARIES_LOG'] ?? 'info',
  destination?: DestinationStream,
): Logger {
  return pino(
    {
      level,
      base: { role: identity.role, id: identity.id, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED, censor: '[redacted]' },
    },
    destination ?? pino.destination({ dest: 2, sync: true }),
  )
}
