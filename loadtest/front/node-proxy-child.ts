/** Proxies of Node for `bench:front`: http-proxy with and without an agent, @fastify/http-proxy. */
import { readFileSync } from 'node:fs'
import { Agent, createServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import httpProxy from 'http-proxy'
import { requirePeer } from '../peer-modules.ts'
import type { Setup } from './configs.ts'

export type NodeProxy = 'http-proxy' | 'http-proxy with agent' | 'fastify'

const HOST = '127.0.0.1'

async function listenHttpProxy({ ports, origin, certificate }: Setup, keepsAlive: boolean) {
  const agent = keepsAlive ? new Agent({ keepAlive: true, maxSockets: 1_024 }) : undefined
  const target = `http://${HOST}:${origin.http[0]}`
  const proxy = httpProxy.createProxyServer({
    target,
    xfwd: true,
    ws: true,
    ...(agent && { agent }),
  })
  proxy.on('error', (_error, _request, response) => (response as Duplex).destroy())
  const cert = readFileSync(certificate.cert)
  const key = readFileSync(certificate.key)
  const servers = [
    { server: createServer((request, response) => proxy.web(request, response)), port: ports.http },
    {
      server: createHttpsServer({ cert, key }, (request, response) => proxy.web(request, response)),
      port: ports.https,
    },
  ]
  for (const { server, port } of servers) {
    server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head))
    await new Promise<void>((done) => server.listen({ port, host: HOST, backlog: 1_024 }, done))
  }
}

interface Fastify {
  register(plugin: unknown, options: object): void
  listen(at: object): Promise<unknown>
}

async function listenFastify({ ports, origin, certificate }: Setup): Promise<void> {
  const fastify = requirePeer('fastify') as (options: object) => Fastify
  const plugin = requirePeer('@fastify/http-proxy')
  const https = {
    cert: readFileSync(certificate.cert),
    key: readFileSync(certificate.key),
    allowHTTP1: true,
  }
  const apps = [
    { app: fastify({}), port: ports.http },
    { app: fastify({ http2: true, https }), port: ports.https },
  ]
  for (const { app, port } of apps) {
    app.register(plugin, {
      upstream: `http://${HOST}:${origin.http[0]}`,
      websocket: true,
      undici: { connections: 128, pipelining: 1 },
    })
    await app.listen({ port, host: HOST, backlog: 1_024 })
  }
}

const [name, setup] = JSON.parse(process.argv[2]!) as [NodeProxy, Setup]
if (name === 'fastify') await listenFastify(setup)
else await listenHttpProxy(setup, name === 'http-proxy with agent')
process.send!('ready')
process.on('disconnect', () => process.exit(0))
