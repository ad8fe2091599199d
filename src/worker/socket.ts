/** A client's WebSocket as a worker sees it: it ends at the front and outlives every move. */
export interface WorkerSocket {
  /** Unique in the cluster, the same for as long as the client stays connected. */
  readonly id: string
  /** What the client asked for: path and query. */
  readonly url: string
  /**
   * Leaves when the turn is committed; a turn that throws sends nothing. Throws outside a turn and
   * on a closed socket.
   */
  send(message: string | Uint8Array): void
  /** As `send`: takes effect when the turn is committed. Default 1000. */
  close(code?: number, reason?: string): void
}
