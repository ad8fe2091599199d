/** Ports of loopback for tests whose configurations name their ports. */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

/** Below the range that the system takes the ports of outgoing connections from. */
const PORTS = { from: 10_000, to: 32_000 }

/** Ports that are free on loopback, for TCP and for UDP. */
export async function freePorts(count: number): Promise<number[]> {
  const free = new Set<number>()
  while (free.size < count) {
    const port = PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from))
    if (!free.has(port) && (await isFreeForTcp(port)) && (await isFreeForUdp(port))) free.add(port)
  }
  return [...free]
}

/** One of them. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  return port!
}

function isFreeForTcp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

function isFreeForUdp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.once('error', () => socket.close(() => resolve(false)))
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)))
  })
}
