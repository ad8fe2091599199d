/**
 * A small server that knows nothing of Aries: the upstream of the demo. `node workers/legacy.ts
 * 127.0.0.1:9001`; it answers every request with what it was asked and who it is.
 */
import { createServer } from 'node:http'

const BODY_BYTES_MAX = 1_048_576
/** Read to its end, so that the client hears the refusal; what is larger is cut off. */
const DISCARD_BYTES_MAX = 67_108_864

const [host, port] = splitAddress(process.argv[2] ?? '127.0.0.1:9001')

const server = createServer((request, response) => {
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > DISCARD_BYTES_MAX) request.destroy()
  })
  request.on('end', () => {
    const body = JSON.stringify({
      upstream: `${host}:${port}`,
      method: request.method,
      path: request.url,
      bytes,
    })
    response.writeHead(bytes > BODY_BYTES_MAX ? 413 : 200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    })
    response.end(body)
  })
})

server.on('error', (error) => {
  console.error(`legacy: cannot listen on ${host}:${port}: ${error.message}`)
  process.exit(1)
})
server.listen(port, host)

function stop(): void {
  server.close()
  server.closeAllConnections()
}
process.on('SIGTERM', stop)
process.on('SIGINT', stop)
process.on('message', stop)
process.on('disconnect', stop)
process.channel?.unref()

function splitAddress(text: string): [string, number] {
  const colon = text.lastIndexOf(':')
  return [text.slice(0, colon), Number(text.slice(colon + 1))]
}
