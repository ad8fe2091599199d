/** Where clients are taken. */
import { z } from 'zod'
import { KEY_BYTES_MAX } from '../../identity.ts'
import { isSubnet } from '../../subnets.ts'
import { ms } from './values.ts'

/** Among addresses: a client over a Unix socket. */
export const UNIX_PEER = 'unix'

/** An address or a subnet, or `unix`. */
export function isTrustable(text: string): boolean {
  return text === UNIX_PEER || isSubnet(text)
}

const tlsSchema = z
  .strictObject({
    certificates: z
      .array(
        z.strictObject({
          cert: z
            .string()
            .min(1)
            .describe('File of the certificate and its chain (PEM), relative to this one.'),
          key: z.string().min(1).describe('File of its private key (PEM).'),
        }),
      )
      .min(1)
      .max(1_000)
      .describe(
        'A client gets the one for the host that it names, else the first. Files that are replaced are read again; connections stay.',
      ),
    minVersion: z
      .enum(['TLSv1.2', 'TLSv1.3'])
      .default('TLSv1.2')
      .describe('Oldest version that is spoken.'),
  })
  .describe('Takes HTTPS and WSS instead. Absent: nothing is encrypted.')

/** What every listener may have. */
const base = {
  proxyProtocol: z
    .strictObject({
      from: z
        .array(
          z
            .string()
            .refine(isTrustable, 'must be an address or a subnet, as in 10.0.0.0/8, or `unix`'),
        )
        .min(1)
        .describe(
          'Addresses and subnets of the proxies that send a PROXY header (version 1 or 2), and have to; `unix`: whoever comes over a Unix socket. Everyone else is taken as it comes.',
        ),
      timeoutMs: ms.default(3_000).describe('Milliseconds that the header may take.'),
    })
    .optional()
    .describe('Believes proxies what they say of a connection. Absent: nobody is believed.'),
  mode: z
    .string()
    .regex(/^[0-7]{3}$/, 'must be three octal digits, as in 660')
    .optional()
    .describe('Permissions of a Unix socket, octal; default 660.'),
}

const tcp = z.string().describe('`host:port` to take raw TCP at, or `unix:PATH`.')

const tcpUpstreams = z.array(z.string().describe('`tcp://host:port` or `unix:/path`.'))

const sendProxyProtocol = z
  .enum(['v1', 'v2'])
  .optional()
  .describe(
    'Tells the servers of the client by a PROXY header of that version. Absent: not at all.',
  )

export const listenerSchema = z.union([
  z
    .strictObject({
      http: z
        .string()
        .describe(
          '`host:port` to take HTTP and WebSocket at; `0.0.0.0:80` for every address; `unix:PATH` for a Unix socket.',
        ),
      tls: tlsSchema.optional(),
      http2: z
        .boolean()
        .optional()
        .describe(
          'HTTP/2 beside HTTP/1.1. With `tls` the client chooses (ALPN), and it is on unless this is `false`; without, `true` takes those that begin with HTTP/2 (h2c with prior knowledge).',
        ),
      ...base,
    })
    .describe('Takes HTTP requests and WebSockets; the routes say where they go.'),
  z
    .strictObject({
      tcp,
      upstreams: tcpUpstreams.min(1).describe('The servers behind it.'),
      sendProxyProtocol,
      ...base,
    })
    .describe('Passes the bytes of each connection to one of its upstreams.'),
  z
    .strictObject({
      tcp,
      sni: z
        .array(
          z
            .strictObject({
              names: z
                .array(
                  z
                    .string()
                    .max(253)
                    .regex(
                      /^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
                      'must be a name in small letters, as in shop.example or *.shop.example',
                    ),
                )
                .min(1)
                .max(1_000)
                .describe('Names of servers; `*.example.com` takes one label before it.'),
              alpn: z
                .array(z.string().min(1).max(255))
                .min(1)
                .optional()
                .describe('Only clients that offer one of these protocols, as in `h2`.'),
              upstreams: tcpUpstreams.min(1).describe('The servers behind these names.'),
            })
            .describe(
              'Where clients go that name one of these servers; the first that fits counts.',
            ),
        )
        .min(1)
        .max(1_000)
        .describe(
          'By the server that a TLS client names (SNI). The connection is not decrypted: the servers have the certificates.',
        ),
      upstreams: tcpUpstreams
        .default([])
        .describe('For everyone else, also those who speak no TLS. Empty: they are turned away.'),
      sendProxyProtocol,
      ...base,
    })
    .describe('Passes TLS connections on by the server that they name.'),
  z
    .strictObject({
      tcp,
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
      ...base,
    })
    .describe('Leads each connection to a worker, wherever it lives.'),
])
