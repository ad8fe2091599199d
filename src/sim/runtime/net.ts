/** Puts the virtual network under `net.Socket` and `net.Server` of this thread. */
import http from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { currentProcess } from './process.ts'
import { type Done, ends, type Own, type SocketInternals, type VirtualTcp, waiting } from './tcp.ts'

let tcp: VirtualTcp | undefined

/** From now on connections go through this network. */
export function useTcp(next: VirtualTcp): void {
  tcp = next
}

function whenConnected(socket: Own, run: () => void): void {
  if (!socket.connecting) {
    run()
    return
  }
  const list = waiting.get(socket) ?? []
  list.push(run)
  waiting.set(socket, list)
}

function bytesOf(writev: boolean, data: unknown, encoding: BufferEncoding): Buffer {
  if (!writev) return toBuffer(data, encoding)
  const chunks = data as { chunk: unknown; encoding: BufferEncoding }[]
  return Buffer.concat(chunks.map(({ chunk, encoding: own }) => toBuffer(chunk, own)))
}

/** A copy: the bytes are those of the moment of the write. */
function toBuffer(data: unknown, encoding: BufferEncoding): Buffer {
  return typeof data === 'string' ? Buffer.from(data, encoding) : Buffer.from(data as Uint8Array)
}

interface Target {
  readonly host: string
  readonly port: number
}

function targetOf(args: unknown[]): { target: Target; connected: (() => void) | undefined } {
  const first = Array.isArray(args[0]) ? (args[0] as unknown[])[0] : args[0]
  const connected = args.find((arg) => typeof arg === 'function') as (() => void) | undefined
  if (typeof first !== 'object') {
    const host = typeof args[1] === 'string' ? args[1] : '127.0.0.1'
    return { target: { host, port: Number(first) }, connected }
  }
  const { host = '127.0.0.1', port, lookup } = first as net.TcpNetConnectOpts
  let address: unknown = host
  lookup?.(host, {}, (_error, found) => {
    address = found
  })
  return { target: { host: String(address), port: Number(port) }, connected }
}

/** Once in a thread, before what is to be simulated is loaded. */
export function installTcp(): void {
  installSocket()
  installServer()
  const connect = (...args: unknown[]): net.Socket => {
    const options = (typeof args[0] === 'object' ? args[0] : {}) as net.NetConnectOpts
    const socket = new net.Socket(options as net.SocketConstructorOpts)
    ;(socket.connect as (...args: unknown[]) => net.Socket)(...args)
    if (options.timeout) socket.setTimeout(options.timeout)
    return socket
  }
  Object.assign(net, { connect, createConnection: connect })
  Object.assign(http.Agent.prototype, { createConnection: (options: object) => connect(options) })
  syncBuiltinESMExports()
}

function installSocket(): void {
  const prototype = net.Socket.prototype as unknown as SocketInternals & net.Socket
  // A socket that is not of the world, the simulator's own output for instance, stays as it is.
  const { _writeGeneric, _final, _read, _destroy, setTimeout: setSocketTimeout } = prototype
  const timers = new WeakMap<object, NodeJS.Timeout>()
  Object.assign(prototype, {
    connect(this: Own, ...args: unknown[]) {
      const { target, connected } = targetOf(args)
      if (connected) this.once('connect', connected)
      this.connecting = true
      tcp!.connect(this as unknown as net.Socket, currentProcess()!, target.host, target.port)
      return this
    },
    _writeGeneric(this: Own, writev: boolean, data: unknown, encoding: BufferEncoding, done: Done) {
      const end = ends.get(this)
      if (!end) {
        _writeGeneric.call(this, writev, data, encoding, done)
        return
      }
      const bytes = bytesOf(writev, data, encoding)
      whenConnected(this, () => {
        if (end.closed || end.owner.dead) done(brokenPipe())
        else tcp!.write(end, bytes, () => done())
      })
    },
    _final(this: Own, done: Done) {
      const end = ends.get(this)
      if (!end) {
        _final.call(this, done)
        return
      }
      whenConnected(this, () => {
        if (!end.closed) tcp!.end(end)
        done()
      })
    },
    _read(this: Own) {
      if (!ends.has(this)) _read.call(this, 0)
    },
    _destroy(this: Own, error: Error | null, done: Done) {
      const end = ends.get(this)
      if (end) tcp!.close(end, error !== null)
      clearTimeout(timers.get(this))
      _destroy.call(this, error, done)
    },
    resetAndDestroy(this: Own) {
      const end = ends.get(this)
      if (end) tcp!.close(end, true)
      return this.destroy()
    },
    ref(this: Own) {
      return this
    },
    unref(this: Own) {
      return this
    },
    setTimeout(this: Own, ms: number, callback?: () => void) {
      if (!ends.has(this)) return setSocketTimeout.call(this, ms, callback)
      clearTimeout(timers.get(this))
      if (callback) this.once('timeout', callback)
      if (ms > 0)
        timers.set(
          this,
          setTimeout(() => this.emit('timeout'), ms),
        )
      return this
    },
  })
}

function brokenPipe(): Error {
  return Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
}

function installServer(): void {
  const addresses = new WeakMap<net.Server, net.AddressInfo>()
  Object.assign(net.Server.prototype, {
    listen(this: net.Server, ...args: unknown[]) {
      const { target, connected } = targetOf(args)
      const port = tcp!.listen(this, currentProcess()!, target.host, target.port)
      addresses.set(this, { address: target.host, family: 'IPv4', port })
      if (connected) process.nextTick(connected)
      return this
    },
    address(this: net.Server) {
      return addresses.get(this) ?? null
    },
    close(this: net.Server, closed?: () => void) {
      tcp!.unlisten(this)
      if (closed) process.nextTick(closed)
      return this
    },
  })
  Object.assign(http.Server.prototype, {
    close: net.Server.prototype.close,
    closeIdleConnections: () => undefined,
    closeAllConnections: () => undefined,
  })
}
