import { loadConfig } from '../config/load.ts'
import { formatFile } from '../config/problems.ts'
import { describeRoutes } from '../config/routes.ts'
import { count } from './format.ts'
import { type ConfigOptions, configFileOf, mapFileOf } from './options.ts'
import { print, printJson } from './output.ts'

/** `aries check` */
export async function check(options: ConfigOptions & { readonly json?: boolean }): Promise<void> {
  const config = await loadConfig(configFileOf(options), mapFileOf(options))
  const { file, mapFile, map } = config
  if (options.json) {
    const members = [...map.nodes, ...map.fronts].map((member) => member.id)
    const { cluster, epoch } = map
    printJson({ file, mapFile, cluster, epoch, members, routes: describeRoutes(config) })
    return
  }
  print(`${formatFile(file)} is valid: ${count(config.routes.length, 'route')}`)
  print(
    `${formatFile(mapFile)} is valid: cluster ${map.cluster}, epoch ${map.epoch}, ${count(map.nodes.length, 'node')}, ${count(map.fronts.length, 'front')}${map.join ? `, up to ${map.join.max} more may join` : ''}`,
  )
}
