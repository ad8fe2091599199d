import { createHash } from 'node:crypto'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Whether `accept` answers `key`: whoever sent it speaks WebSocket (RFC 6455 §4.2.2). */
export function acceptsKey(accept: string | undefined, key: string): boolean {
  return (
    accept ===
    createHash('sha1')
      .update(key + GUID)
      .digest('base64')
  )
}
