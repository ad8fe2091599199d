import { readFileSync } from 'node:fs'
import { ADMIN_ENDPOINTS } from '../../admin/api.ts'
import { code, markdownTable, page } from './markdown.ts'

/** Where the shapes of the answers are declared, relative to this file. */
const SOURCES = [
  '../../admin/api.ts',
  '../../rpc.ts',
  '../../placement/types.ts',
  '../../gossip/types.ts',
  '../../front/request-detail.ts',
]
const SHAPES = [
  'HealthInfo',
  'ReadyInfo',
  'ClusterInfo',
  'ClusterMember',
  'LoadVector',
  'RouteInfo',
  'NodeStatusInfo',
  'WorkerInfo',
  'WorkerDetail',
  'Decision',
  'CandidateCost',
  'RecoverReport',
  'MoveReport',
  'MovePhase',
  'DrainReport',
  'RequestDetail',
  'AttemptDetail',
  'TargetCost',
]

/** `docs/reference/http-api.md`: the endpoints of `src/admin/api.ts` and the shapes they answer. */
export function httpApiPage(): string {
  const source = SOURCES.map((file) => readFileSync(new URL(file, import.meta.url), 'utf8')).join(
    '\n',
  )
  return page('Admin API', [
    'Every front and every node answers it on the `admin` port that the map gives it; any of them can be asked about the whole cluster. JSON both ways. A request that changes something must carry `content-type: application/json`, so that no web page can send it unasked. Errors are described in [errors.md](errors.md).',
    markdownTable(
      ['endpoint', 'does'],
      Object.entries(ADMIN_ENDPOINTS).map(([name, { does }]) => [`\`${name}\``, does]),
    ),
    ...Object.entries(ADMIN_ENDPOINTS).flatMap(([name, info]) => [
      `## ${name}`,
      `${info.does} ${info.answers}`,
      [
        `- answers: \`${info.type}\``,
        ...(info.query ? [`- query: ${info.query}`] : []),
        ...(info.body ? [`- body: \`${info.body}\``] : []),
        ...(info.errors.length > 0
          ? [`- errors: ${[...new Set(info.errors)].map((each) => `\`${each}\``).join(', ')}`]
          : []),
        `- \`${curlOf(name, info.body)}\``,
      ].join('\n'),
    ]),
    '## Shapes',
    ...SHAPES.map((shape) => code(declarationOf(shape, source), 'ts')),
  ])
}

function curlOf(endpoint: string, body: string | undefined): string {
  const [method, path] = endpoint.split(' ') as [string, string]
  const filled = path.replace('{class}', 'counter').replace('{key}', 'a').replace('{id}', 'n2')
  const url = `http://127.0.0.1:7300${filled}`
  if (method === 'GET') return `curl ${url}`
  const data = body === undefined ? '' : ` -d '${body}'`
  return `curl -X POST -H 'content-type: application/json'${data} ${url}`
}

/** The interface with the comment above it, as it stands in the source. */
function declarationOf(shape: string, source: string): string {
  const match = new RegExp(
    `(?:/\\*\\*(?:(?!\\*/)[^])*\\*/\\n)?export interface ${shape} [^]*?\\n\\}`,
  ).exec(source)
  if (!match) throw new Error(`no source declares ${shape}`)
  return match[0].replaceAll('export interface', 'interface').replaceAll('readonly ', '')
}
