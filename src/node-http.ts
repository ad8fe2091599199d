/**
 * What Aries uses of `node:http`. An import of the module itself reads each of its names, and one of
 * them, `WebSocket`, loads Node's whole `fetch`: 75 ms of CPU in each of the eight processes and
 * threads of a small cluster, at a start and at a failover.
 */
const http = process.getBuiltinModule('node:http')

export const { Agent, createServer, METHODS, request, STATUS_CODES } = http
