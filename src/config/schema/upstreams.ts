/** The upstreams of a route: which, how much each gets, and who stays with whom. */
import { z } from 'zod'
import { COOKIE_NAME, REQUEST_KEY } from './values.ts'

const url = z
  .string()
  .describe(
    '`http://host:port`; `https://` for TLS, `h2://` for HTTP/2 over TLS, `h2c://` for HTTP/2 without; or `unix:/path`.',
  )

const tlsSchema = z
  .strictObject({
    ca: z
      .string()
      .min(1)
      .optional()
      .describe('File of the authorities (PEM) that its certificate is by; absent: those of Node.'),
    serverName: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .describe(
        'Name that its certificate must be for, and that it is asked for; absent: its host.',
      ),
    cert: z
      .string()
      .min(1)
      .optional()
      .describe(
        'File of the certificate (PEM) that the front shows, with its chain; absent: none.',
      ),
    key: z.string().min(1).optional().describe('File of its private key (PEM).'),
    verify: z
      .boolean()
      .default(true)
      .describe('`false` believes whoever answers: for tests alone.'),
  })
  .optional()
  .describe('TLS to `https://` and `h2://`. Files that are replaced are read again.')

export const upstreamSchema = z.union([
  url,
  z.strictObject({
    url: z
      .union([url, z.array(url).min(1)])
      .describe('An upstream, or a list of them, among which the cheapest is asked.'),
    tls: tlsSchema,
    weight: z
      .number()
      .min(0)
      .max(1_000_000)
      .optional()
      .describe(
        'Share of the requests that the entry gets, beside the weights of the others; 1 when others have one. Without any weight in the list each request goes where it is expected to be answered soonest.',
      ),
    priority: z
      .int()
      .min(0)
      .max(15)
      .default(0)
      .describe(
        'Those of 0 are asked first. A higher number is a backup: it gets the requests that the healthy ones before it are too few for (below 72% of them), or all when none is left.',
      ),
    drain: z
      .boolean()
      .default(false)
      .describe('Takes no new clients; those who stick to it by cookie stay.'),
    inFlightMax: z
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .describe(
        'Requests of one shard in flight at each, from which on it is full; default `balance.inFlightMax`.',
      ),
    connectionsMax: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe('Connections of one shard to each, tunnels not counted; default 1024.'),
  }),
])

export const stickySchema = z.union([
  z
    .strictObject({
      cookie: z
        .string()
        .regex(COOKIE_NAME, 'is no name of a cookie')
        .describe('Name of the cookie that the front gives to clients.'),
      maxAgeS: z
        .int()
        .min(1)
        .max(34_560_000)
        .optional()
        .describe('Seconds that the client keeps it; absent: until its browser is closed.'),
      path: z
        .string()
        .regex(/^\/[!-:<-~]*$/, 'must begin with / and have no space or ;')
        .default('/')
        .describe('Paths that the client sends it to.'),
      sameSite: z.enum(['strict', 'lax', 'none']).default('lax').describe('Its `SameSite`.'),
      secure: z
        .enum(['auto', 'always', 'never'])
        .default('auto')
        .describe('Its `Secure`; `auto`: for clients that came by HTTPS.'),
      httpOnly: z.boolean().default(true).describe('Its `HttpOnly`: no script may read it.'),
      secret: z
        .string()
        .min(16)
        .optional()
        .describe(
          'Makes the value an HMAC: without it, who guesses the URL of an upstream can tell that it is behind the cookie. The same on every front.',
        ),
    })
    .describe(
      'A client stays with the upstream that answered it first, for as long as it is well.',
    ),
  z
    .strictObject({
      by: z
        .string()
        .regex(
          REQUEST_KEY,
          'must be `address`, `path`, `host`, `header:<name>`, `cookie:<name>` or `query:<name>`',
        )
        .describe(
          'What decides: `address` of the client, `path`, `host`, `header:<name>`, `cookie:<name>` or `query:<name>`. A request that has none goes where it costs least.',
        ),
      loadFactor: z
        .number()
        .min(1.05)
        .max(100)
        .default(1.5)
        .describe(
          'An upstream with so many times the mean of requests in flight is passed over for the next of its order.',
        ),
    })
    .describe(
      'Requests alike in one thing go to one upstream; when it goes, only what it had goes to others (rendezvous hashing, with bounded loads).',
    ),
])
