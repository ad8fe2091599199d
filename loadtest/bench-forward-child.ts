/** One process of the forwarding bench: the origin, or a proxy in front of it. */
import { Agent, createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import httpProxy from 'http-proxy'
import { configSchema } from '../src/config/schema.ts'
import { HttpProxyForwarder } from '../src/front/forward/http-proxy.ts'
import { Http1Engine } from '../src/front/http1/engine.ts'
import type { Target } from '../src/front/plan.ts'
import { createLogger } from '../src/log.ts'

const log = createLogger({ role: 'front', id: 'bench' }, 'warn')

function response(bytes: number): Buffer {
  const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: ${bytes}\r\n\r\n`
  return Buffer.from(head + 'x'.repeat(bytes), 'latin1')
}

/** As cheap as can be: it shares the machine with what is measured. */
function origin(): Server {
  const small = response(100)
  const large = response(65_536)
  return createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => socket.write(chunk.includes('GET /large') ? large : small))
  })
}

function engine(target: Target): Server {
  const { front } = configSchema.parse({
    listeners: [{ http: '127.0.0.1:1' }],
    routes: [{ path: '/*', upstreams: ['http://127.0.0.1:1'] }],
  })
  const picker = { pick: () => target, answered() {}, done() {} }
  const plan = { kind: 'forward', picker } as const
  const http1 = new Http1Engine({ planner: { plan: () => plan }, log }, front)
  return createServer((socket) => http1.accept(socket))
}

function plainHttpProxy(target: string): Server {
  const agent = new Agent({ keepAlive: true, maxSockets: 1_024 })
  const proxy = httpProxy.createProxyServer({ target, agent, xfwd: true })
  proxy.on('error', (_error, _request, response) => response.destroy())
  return createHttpServer((request, response) => proxy.web(request, response))
}

function serverOf(role: string, originPort: number): Server {
  const target = { id: 'origin', poolKey: 'origin', host: '127.0.0.1', port: originPort }
  const url = `http://127.0.0.1:${originPort}`
  if (role === 'origin') return origin()
  if (role === 'http-proxy') return plainHttpProxy(url)
  if (role === 'aries') return engine(target)
  const forwarder = new HttpProxyForwarder({ log }, { upstream: url })
  return engine({ ...target, connect: () => forwarder.connect() })
}

const server = serverOf(process.argv[2]!, Number(process.argv[3]))
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }))
process.on('message', () =>
  process.send!({ cpu: process.cpuUsage(), rssBytes: process.memoryUsage.rss() }),
)
process.on('disconnect', () => process.exit(0))
