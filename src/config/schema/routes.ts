/** Where clients are taken, and where their requests go. */
import { z } from 'zod'
import { KEY_BYTES_MAX } from '../../identity.ts'

export const listenerSchema = z.union([
  z
    .strictObject({
      http: z
        .string()
        .describe('`host:port` to take HTTP/1.1 and WebSocket at; `0.0.0.0:80` for every address.'),
    })
    .describe('Takes HTTP requests and WebSockets; the routes say where they go.'),
  z
    .strictObject({
      tcp: z.string().describe('`host:port` to take raw TCP at.'),
      upstreams: z
        .array(z.string().describe('`tcp://host:port`.'))
        .min(1)
        .describe('The servers behind it.'),
    })
    .describe('Passes the bytes of each connection to one of its upstreams.'),
  z
    .strictObject({
      tcp: z.string().describe('`host:port` to take raw TCP at.'),
      worker: z
        .string()
        .describe(
          'Module of a worker class, relative to this file; it gets the bytes of each connection.',
        ),
      key: z
        .string()
        .min(1)
        .max(KEY_BYTES_MAX)
        .describe(
          'Key of the worker: a text, in which `:address` is the address of the client and `:port` the port of the listener.',
        ),
    })
    .describe('Leads each connection to a worker, wherever it lives.'),
])

const routeBase = {
  path: z
    .string()
    .startsWith('/')
    .describe('Pattern: `:name` takes one segment that is not empty, a last `*` the rest.'),
}

export const routeSchema = z.union([
  z
    .strictObject({
      ...routeBase,
      task: z
        .string()
        .describe(
          'Module of a task, relative to this file; its file name is the name of the task.',
        ),
    })
    .describe('Runs a task on the node where it costs least.'),
  z
    .strictObject({
      ...routeBase,
      worker: z
        .string()
        .describe(
          'Module of a worker class, relative to this file; its file name is the name of the class. The path has one segment `:key`.',
        ),
    })
    .describe(
      'Asks the worker of that class and key, wherever it lives; the first request makes it.',
    ),
  z
    .strictObject({
      ...routeBase,
      upstreams: z
        .array(z.string().describe('`http://host:port`.'))
        .min(1)
        .describe('The servers behind it; the healthy one with the fewest requests is asked.'),
      forwarder: z
        .enum(['aries', 'http-proxy'])
        .default('aries')
        .describe(
          '`aries`: the own engine. `http-proxy`: the compatible one, several times slower, for those who need its exact behaviour.',
        ),
    })
    .describe('Forwards to servers that Aries did not start.'),
])
