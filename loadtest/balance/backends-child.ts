/** Process of `bench:balance`: all backends, a port each. Their work is waiting, not computing. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { formatLoad, HEADER } from '../../src/wire.ts'
import { realWorld, seededRandom } from '../../src/world.ts'
import { Fleet, type Model } from './model.ts'

export interface BackendsInit {
  readonly model: Model
  readonly seed: number
  readonly tells: boolean
}

/** Header with the work of a request, milliseconds at speed 1. */
export const WORK_HEADER = 'x-work-ms'

if (process.send !== undefined && process.argv[2] !== undefined) {
  const { model, seed, tells } = JSON.parse(process.argv[2]) as BackendsInit
  const fleet = new Fleet({ clock: realWorld.clock, random: seededRandom(seed) }, model)
  const ports = fleet.backends.map(async (backend) => {
    const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      if (request.url === '/probe') {
        const { requests } = backend
        response.end(JSON.stringify({ requests, latencyMs: backend.latencyNow() }))
        return
      }
      backend.serve(Number(request.headers[WORK_HEADER]), (failed) => {
        const { requests } = backend
        if (tells) response.setHeader(HEADER.load, formatLoad({ requests, threads: model.threads }))
        response.writeHead(failed ? 503 : 200).end('done')
      })
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    return (server.address() as AddressInfo).port
  })
  process.send(await Promise.all(ports))
  process.on('disconnect', () => process.exit(0))
}
