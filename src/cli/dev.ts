import { join } from 'node:path'
import { formatAddress } from '../config/address.ts'
import { loadConfig } from '../config/load.ts'
import { formatFile } from '../config/problems.ts'
import type { Config } from '../config/schema.ts'
import { watchConfig } from '../config/watch.ts'
import { AutoDeploy } from './dev/auto-deploy.ts'
import { bannerText } from './dev/banner.ts'
import { DevCluster } from './dev/cluster.ts'
import { dataFolder } from './dev/data-folder.ts'
import { checkPorts } from './dev/preflight.ts'
import { mapOfNodes, writeTemporaryMap } from './dev/temporary-map.ts'
import { localUpstreams } from './dev/upstreams.ts'
import { type ConfigOptions, configFileOf } from './options.ts'
import { EXIT, print, remark } from './output.ts'
import { onStopSignals } from './signals.ts'

const SHELL_POLL_MS = 200

export interface DevOptions extends ConfigOptions {
  readonly nodes?: number
  readonly restart: boolean
}

/** `aries dev`: the whole cluster on this machine, until it is stopped; resolves with the exit code. */
export async function dev(options: DevOptions): Promise<number> {
  const startedMs = performance.now()
  const stopping = Promise.withResolvers<void>()
  let cluster: DevCluster | undefined
  const unhear = hearStops(stopping.resolve, () => cluster?.kill())
  try {
    const { config, mapFile } = await devConfig(options)
    await checkPorts(config)
    const { free: upstreams, taken } = await localUpstreams(config)
    const logFolder = join(dataFolder(config), 'logs')
    const map = mapFile === undefined ? {} : { mapFile }
    const { restart } = options
    cluster = new DevCluster(remark, { config, upstreams, logFolder, restart, ...map })
    const ready = await Promise.race([
      cluster.start().then(() => true),
      stopping.promise.then(() => false),
    ])
    if (ready) {
      const readyMs = performance.now() - startedMs
      const { pids } = cluster
      print(bannerText({ config, pids, upstreams, taken, logFolder, readyMs }))
      await watchUntil(stopping.promise, config, map, cluster)
    }
    await cluster.stop()
    return EXIT.ok
  } finally {
    unhear()
  }
}

/** The configuration, with a map of its own when another number of nodes is wanted. */
async function devConfig(options: DevOptions): Promise<{ config: Config; mapFile?: string }> {
  const config = await loadConfig(configFileOf(options))
  const { nodes } = options
  if (nodes === undefined || nodes === config.map.nodes.length) return { config }
  const mapFile = join(dataFolder(config), 'dev', 'cluster.yaml')
  writeTemporaryMap(mapFile, mapOfNodes(config.map, nodes), config.mapFile)
  return { config: await loadConfig(config.file, { mapFile }), mapFile }
}

async function watchUntil(
  stop: Promise<void>,
  config: Config,
  map: { mapFile?: string },
  cluster: DevCluster,
): Promise<void> {
  const { host, admin } = config.map.fronts[0] ?? config.map.nodes[0]!
  const deploys = new AutoDeploy(remark, { admin: formatAddress(host, admin) })
  await deploys.set(config)
  const watch = watchConfig(
    config,
    {
      onChange: (changed) => {
        remark(
          `${formatFile(changed.file)} and its map are taken over, map epoch ${changed.map.epoch}`,
        )
        cluster.setMap(changed.map)
        void deploys.set(changed)
      },
      onRefused: (error) => remark(`refused, the old configuration stays: ${error.message}`),
    },
    map,
  )
  await stop
  watch.close()
  deploys.close()
}

function hearStops(stop: () => void, kill: () => void): () => void {
  const unhearSignals = onStopSignals({ onFirst: stop, onSecond: kill })
  // Started by a launcher that was killed.
  process.on('disconnect', stop)
  process.channel?.unref()
  const shell = watchShell(stop)
  return () => {
    unhearSignals()
    process.off('disconnect', stop)
    clearInterval(shell)
  }
}

/** npm and npx run it below a shell, which dies of SIGTERM without passing it on. */
function watchShell(onGone: () => void): NodeJS.Timeout | undefined {
  if (process.env['npm_lifecycle_event'] === undefined) return undefined
  const shell = process.ppid
  const timer = setInterval(() => {
    if (process.ppid !== shell) onGone()
  }, SHELL_POLL_MS)
  return timer.unref()
}
