/**
 * The parts of undici that Aries uses. Its index loads `fetch`, caches, mocks and proxies besides,
 * which is 100 ms of CPU more in each process of a cluster. These parts are not its public paths:
 * `test/undici.test.ts` tells when a new version has them elsewhere.
 */
import { createRequire } from 'node:module'
import type * as Undici from 'undici'

const require = createRequire(import.meta.url)

const Dispatcher = require('undici/lib/dispatcher/dispatcher.js') as typeof Undici.Dispatcher
export type Agent = Undici.Agent
export type Pool = Undici.Pool

export const Agent = require('undici/lib/dispatcher/agent.js') as typeof Undici.Agent
export const Pool = require('undici/lib/dispatcher/pool.js') as typeof Undici.Pool
export const H2CClient = require('undici/lib/dispatcher/h2c-client.js') as typeof Undici.H2CClient

// As the index does: these make `request`, `stream` and `upgrade` methods of every dispatcher.
Object.assign(Dispatcher.prototype, require('undici/lib/api/index.js'))
