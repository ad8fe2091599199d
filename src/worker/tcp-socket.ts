/** A client's raw connection as a worker sees it: it ends at the front and outlives every move. */
export interface WorkerTcpSocket {
  /** Unique in the cluster, the same for as long as the client stays connected. */
  readonly id: string
  /** Of the client. */
  readonly remoteAddress: string
  /** Of the listener. */
  readonly localPort: number
  /** What was written and the client has not taken yet, bytes. */
  readonly bufferedBytes: number
  /**
   * Leaves when the turn is committed; a turn that throws sends nothing. False when much waits to be
   * taken: go on when `tcpDrain` is called. Throws outside a turn and after `end`.
   */
  write(data: string | Uint8Array): boolean
  /** No more from here; the client may go on sending. */
  end(data?: string | Uint8Array): void
  /** Resets the connection, when the turn is committed. */
  destroy(): void
}
