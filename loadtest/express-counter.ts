/**
 * The counter as most would write it: Express, and one statement of PostgreSQL a request. Run by
 * `peers.ts` with the folder of the peers, the database and the keys to make.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'

/** As much of Express as is used; it is installed on demand, without its types. */
interface Express {
  post(
    path: string,
    handle: (
      request: IncomingMessage & { params: { key: string } },
      response: ServerResponse & { json(body: object): void },
    ) => Promise<void>,
  ): void
  listen(port: number, host: string, listening: () => void): Server
}

const CONNECTIONS = 20
const INCREMENT = {
  name: 'increment',
  text: 'UPDATE counters SET value = value + 1 WHERE key = $1 RETURNING value',
}

const [folder = '', url = '', keys = ''] = process.argv.slice(2)
const express = createRequire(join(folder, 'package.json'))('express') as () => Express
const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS })
await pool.query('CREATE TABLE counters (key text PRIMARY KEY, value bigint NOT NULL)')
await pool.query("INSERT INTO counters SELECT 'k' || i, 0 FROM generate_series(0, $1::int - 1) i", [
  keys,
])
const app = express()
app.post('/counter/:key', async (request, response) => {
  const { rows } = await pool.query({ ...INCREMENT, values: [request.params.key] })
  response.json({ value: Number(rows[0].value) })
})
const server = app.listen(0, '127.0.0.1', () => {
  process.send!({ port: (server.address() as AddressInfo).port })
})
process.on('disconnect', () => process.exit(0))
