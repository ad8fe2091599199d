/**
 * Every error that Aries answers, prints or throws on purpose. A row is the whole truth of its
 * code: `docs/reference/errors.md` is generated from this table and a test holds the two together.
 */

/** One row: the HTTP status where the error ends a request, what it means, and what to do. */
export interface ErrorRow {
  readonly status: number
  readonly means: string
  readonly todo: string
}

const rows = {
  // Configuration and start-up (exit code 78).
  ARIES_E_CONFIG: {
    status: 500,
    means: 'The configuration or the map is not valid; nothing of it was applied.',
    todo: 'Correct the file at the line and path that the message names; try `aries check`.',
  },
  ARIES_E_PORT_IN_USE: {
    status: 500,
    means: 'Another process listens on an address that the configuration gives to Aries.',
    todo: 'Stop the other process, or change the port in the file that the message names.',
  },
  // Requests.
  ARIES_E_NO_ROUTE: {
    status: 404,
    means: 'No route of the configuration matches the request.',
    todo: 'Check the path, or add a route to config/aries.yaml.',
  },
  ARIES_E_NO_ENDPOINT: {
    status: 404,
    means: 'The admin API, or the data port of a node, has no such path.',
    todo: 'See docs/reference/http-api.md for the paths of the admin API.',
  },
  ARIES_E_METHOD_NOT_ALLOWED: {
    status: 405,
    means: 'The admin API has the path, but not by that method.',
    todo: 'Use the method that the message names.',
  },
  ARIES_E_BAD_REQUEST: {
    status: 400,
    means: 'The request is not valid HTTP, or is ambiguous and therefore not forwarded.',
    todo: 'Correct the client; the message says what was wrong.',
  },
  ARIES_E_METHOD_UNKNOWN: {
    status: 501,
    means: 'The route does not serve requests of that method; nothing was sent to a target.',
    todo: 'Use a method that Node.js knows, or forward the route with `forwarder: aries`.',
  },
  ARIES_E_HEAD_TOO_LARGE: {
    status: 431,
    means: 'The request head is larger than a limit, or has more lines.',
    todo: 'Send fewer or smaller headers; if the message names a setting, it can be raised.',
  },
  ARIES_E_URI_TOO_LONG: {
    status: 414,
    means: 'The request target is longer than the limit.',
    todo: 'Send a shorter URL; put long data into the body.',
  },
  ARIES_E_BODY_TOO_LARGE: {
    status: 413,
    means: 'The request body is larger than the limit of its route.',
    todo: 'Send less, or raise the limit that the message names.',
  },
  ARIES_E_REQUEST_TIMEOUT: {
    status: 408,
    means: 'The client took too long to send its request.',
    todo: 'Send it faster, or raise the limit that the message names.',
  },
  ARIES_E_TIMEOUT: {
    status: 504,
    means: 'A time limit passed before the answer came.',
    todo: 'The message says which limit; see the timeouts in docs/reference/config.md.',
  },
  ARIES_E_NO_TARGET: {
    status: 503,
    means: 'No target of the route can take the request now.',
    todo: 'Try again after `Retry-After`; see `aries status` for the targets.',
  },
  ARIES_E_BAD_GATEWAY: {
    status: 502,
    means:
      'The target closed the connection or answered what is not HTTP; nothing was applied twice.',
    todo: 'Try again; see the log of the target.',
  },
  ARIES_E_UPSTREAM_TLS: {
    status: 502,
    means:
      'The TLS handshake with an upstream failed: its certificate is not trusted, has expired or is for another name, or it does not speak what is asked; nothing was sent.',
    todo: 'The message says why; see `tls` of the upstream: `ca`, `serverName`, `cert`.',
  },
  ARIES_E_OUTCOME_UNKNOWN: {
    status: 502,
    means:
      'The node failed after a request that is not safe to repeat was sent to it: it may or may not have been applied.',
    todo: 'Read the state before you send it again.',
  },
  ARIES_E_RATE_LIMITED: {
    status: 429,
    means: 'The client sends requests faster than the route lets it; nothing was sent to a target.',
    todo: 'Wait for `Retry-After`; `rateLimits` of the route says how fast it may be.',
  },
  ARIES_E_OVERLOADED: {
    status: 503,
    means: 'A queue is full; the request was not started.',
    todo: 'Try again after `Retry-After`.',
  },
  // Tasks.
  ARIES_E_TASK_FAILED: {
    status: 500,
    means: 'The task threw an error or did not return a Response.',
    todo: 'See the log of the node that the header `aries-node` names.',
  },
  ARIES_E_TASK_TIMEOUT: {
    status: 504,
    means: 'The task ran longer than its time limit and was stopped.',
    todo: 'Make it shorter, or raise `pool.taskTimeoutMs`.',
  },
  ARIES_E_TASK_MEMORY: {
    status: 503,
    means: 'The task used more memory than its limit and was stopped.',
    todo: 'Make it smaller, or raise `pool.taskMemoryMb`.',
  },
  // Workers.
  ARIES_E_WORKER_FAILED: {
    status: 500,
    means: 'The worker threw an error; the changes of that turn were dropped.',
    todo: 'See the log of the node that the header `aries-node` names.',
  },
  ARIES_E_KEY_REUSED: {
    status: 422,
    means: 'The Idempotency-Key was used for a request with another method, path or body.',
    todo: 'Take a new key for a new request; send the same request again under the old one.',
  },
  ARIES_E_REPLY_TOO_LARGE: {
    status: 500,
    means:
      'The reply to a request with an Idempotency-Key is too large to be kept; nothing was applied.',
    todo: 'Answer such requests with less: an identifier, and the rest by another request.',
  },
  // Calls from workers and tasks to workers.
  ARIES_E_CALL_CYCLE: {
    status: 508,
    means:
      'The call came back to a worker that waits for it, or passed through too many workers; nothing was called.',
    todo: 'The message has the chain of calls; break it, or call from outside the turn.',
  },
  ARIES_E_CALL_UNKNOWN: {
    status: 404,
    means: 'The worker has no method of that name that others may call; nothing was called.',
    todo: 'Correct the name; a method begins with a letter and is written on the class itself.',
  },
  ARIES_E_ANSWER_TOO_LARGE: {
    status: 502,
    means:
      'The answer to a call is larger than `host.bodyBytesMax`. A method that was called did not count; a `fetch` did.',
    todo: 'Answer with less, or raise the limit.',
  },
  ARIES_E_STATE_TOO_LARGE: {
    status: 500,
    means:
      'The turn would have made the state of the worker larger than its limit; nothing was changed.',
    todo: 'Delete what is not needed, split the worker over several keys, or raise `stateBytesMax`.',
  },
  ARIES_E_WORKER_UNKNOWN: {
    status: 404,
    means: 'No worker of that class and key exists.',
    todo: 'See `aries ps` for those that do.',
  },
  ARIES_E_CLASS_UNKNOWN: {
    status: 404,
    means: 'No route declares a worker class of that name.',
    todo: 'Add a route with that worker, or correct the name.',
  },
  ARIES_E_NOT_OWNER: {
    status: 421,
    means: 'The node does not own the worker (any more); nothing was applied.',
    todo: 'Ask again for the owner; a front does so by itself.',
  },
  ARIES_E_FENCED: {
    status: 503,
    means: 'The write was refused: the worker or its node belongs to a newer epoch.',
    todo: 'Nothing was applied; send the request again.',
  },
  ARIES_E_STORE: {
    status: 503,
    means: 'The store cannot be reached or refused the operation; nothing was acknowledged.',
    todo: 'Check the store; the message has its own words.',
  },
  ARIES_E_STORE_NEWER: {
    status: 503,
    means: 'The store was made or changed by a newer Aries than this one; nothing was touched.',
    todo: 'Run the newer Aries, or name another store.',
  },
  ARIES_E_CLASS_OLDER: {
    status: 503,
    means:
      'The state of the worker was written by a newer version of its class than the one here: it was neither opened nor changed.',
    todo: 'Deploy the newer class on every node, or recover a checkpoint of the older version.',
  },
  ARIES_E_MIGRATE_FAILED: {
    status: 500,
    means: "The class's `migrate` could not bring the worker's state to its version.",
    todo: 'Nothing was changed. Correct `migrate` and deploy it, or go back to the older class.',
  },
  ARIES_E_FROZEN: {
    status: 503,
    means: 'An operator froze the worker: it takes no requests for now.',
    todo: 'Try again after `Retry-After`; `aries thaw` takes the worker back into use.',
  },
  ARIES_E_CHECKPOINT: {
    status: 422,
    means: 'The file is not a checkpoint, or not as it was written; nothing was changed.',
    todo: 'Take another copy of the file; the message says what is wrong with this one.',
  },
  ARIES_E_WORKER_EXISTS: {
    status: 409,
    means: 'The worker has a state that the checkpoint would overwrite; nothing was changed.',
    todo: 'Recover it under another name with `--as`, or overwrite it with `--replace`.',
  },
  // Jobs.
  ARIES_E_JOB_REFUSED: {
    status: 422,
    means: 'The job was not taken: its module may not be run, or no node is large enough for it.',
    todo: 'The message says why; see `jobs.folders` in docs/reference/config.md.',
  },
  ARIES_E_JOB_UNKNOWN: {
    status: 404,
    means: 'There is no job of that id, or it ended so long ago that it was forgotten.',
    todo: 'See `aries jobs --all`.',
  },
  ARIES_E_JOB_LOST: {
    status: 503,
    means: 'The node that ran the job is gone: nobody knows how far the job came.',
    todo: 'Look at what it did, and run it again; with `--restart` that is done for you.',
  },
  // Cluster operations.
  ARIES_E_NODE_UNKNOWN: {
    status: 404,
    means: 'The map has no node of that id.',
    todo: 'See `aries nodes`.',
  },
  ARIES_E_REQUEST_UNKNOWN: {
    status: 404,
    means:
      'No front that is alive has written a request with that id down, or it was too long ago.',
    todo: 'List those that there are with `aries explain --requests`; `front.explain` says how many.',
  },
  ARIES_E_UPSTREAM_UNKNOWN: {
    status: 404,
    means: 'No route or TCP listener of the front has an upstream of that URL.',
    todo: 'See `aries upstreams`; name it as the configuration does.',
  },
  ARIES_E_JOIN_REFUSED: {
    status: 403,
    means: 'A node that is not in the map wants to join, and a node of the map does not let it in.',
    todo: 'The message says why: see docs/guides/joining.md.',
  },
  ARIES_E_NO_NODE: {
    status: 503,
    means: 'Every node is drained or cordoned: none takes a worker that is not open yet.',
    todo: 'Take a node back into use with `aries undrain ID`, or start another.',
  },
  ARIES_E_NODE_UNREACHABLE: {
    status: 503,
    means: 'The node does not answer.',
    todo: 'See `aries nodes`; start it with `aries node --id ID`.',
  },
  ARIES_E_NOT_REPLACED: {
    status: 409,
    means: 'A front did not hand over to a new process; it serves on as before.',
    todo: 'The message says why: mend that (often the configuration or the new version) and try again.',
  },
  ARIES_E_MOVE_REFUSED: {
    status: 409,
    means: 'The move was not begun: the target refused it, or there is nothing to move.',
    todo: 'The message says why; the worker stays where it is.',
  },
  ARIES_E_MOVE_ABORTED: {
    status: 503,
    means: 'The move was begun and given up; the worker stays at its source, whole.',
    todo: 'The message says why; try again.',
  },
  ARIES_E_UNAUTHORIZED: {
    status: 401,
    means: 'The caller may not ask this: it did not show the cluster key, or is a web page.',
    todo: 'Use the same `key` on every front and node; call the admin API by its address.',
  },
  ARIES_E_KEYS: {
    status: 409,
    means: 'The keys of a member cannot be changed so now.',
    todo: 'Look at `aries keys status`; run `aries keys rotate` again, which carries on from any state.',
  },
  ARIES_E_ADMIN_UNREACHABLE: {
    status: 503,
    means: 'No front or node answers at the admin address.',
    todo: 'Start the cluster with `aries dev`, or name another address with `--admin`.',
  },
  ARIES_E_INTERNAL: {
    status: 500,
    means: 'A fault in Aries itself.',
    todo: 'Report it with the log around it.',
  },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof rows
export const ERRORS: Readonly<Record<ErrorCode, ErrorRow>> = rows

/** What goes over the wire and into `--json`: never a stack, never a secret. */
export interface ErrorBody {
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly todo: string }
}

/** The one error type of Aries: a code of the table, a message that says where and what. */
export class AriesError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'AriesError'
    this.code = code
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  toBody(): ErrorBody {
    return errorBody(this.code, this.message)
  }
}

export function errorBody(code: ErrorCode, message: string): ErrorBody {
  return { error: { code, message, todo: ERRORS[code].todo } }
}

/** Any thrown thing as an `AriesError`; what is not one already becomes `fallback`. */
export function toAriesError(
  thrown: unknown,
  fallback: ErrorCode = 'ARIES_E_INTERNAL',
): AriesError {
  if (thrown instanceof AriesError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new AriesError(fallback, message, { cause: thrown })
}

/** The `AriesError` that a peer sent as an `ErrorBody`, or undefined when `body` is none. */
export function fromBody(body: unknown): AriesError | undefined {
  const error = (body as Partial<ErrorBody> | null | undefined)?.error
  if (typeof error?.code !== 'string' || !Object.hasOwn(ERRORS, error.code)) return undefined
  return new AriesError(error.code, String(error.message))
}
