/**
 * The configurations of the proxies of `bench:front`: each as its makers advise for one core, with
 * kept connections to the upstreams and the client's address passed on; no access log.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'

export interface Ports {
  readonly http: number
  readonly https: number
  readonly tcp: number
}

/** What a proxy is to be set up with. */
export interface Setup {
  /** For its files. */
  readonly folder: string
  readonly ports: Ports
  readonly origin: { readonly http: readonly number[]; readonly echo: readonly number[] }
  readonly certificate: { readonly cert: string; readonly key: string }
}

const TLS = fileURLToPath(new URL('../../test/front/fixtures/tls/', import.meta.url))
export const CERTIFICATE = { cert: join(TLS, 'any.pem'), key: join(TLS, 'any.key') }

/** Writes nginx's configuration and returns its file. `stream`: its module for TCP, if it has it. */
export function writeNginx({ folder, ports, origin, certificate }: Setup, stream?: string): string {
  const servers = (of: readonly number[]): string =>
    of.map((port) => `server 127.0.0.1:${port};`).join(' ')
  const tcp = `stream {
  upstream echo { random two least_conn; ${servers(origin.echo)} }
  server { listen 127.0.0.1:${ports.tcp}; proxy_pass echo; }
}`
  return write(
    join(folder, 'nginx.conf'),
    `${stream === undefined || stream === '' ? '' : `load_module ${stream};`}
worker_processes 1; master_process off; daemon off;
pid ${join(folder, 'nginx.pid')}; error_log ${join(folder, 'error.log')} error;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; client_max_body_size 0;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${join(folder, name)};`).join(' ')}
  upstream origin { random two least_conn; ${servers(origin.http)} keepalive 256; keepalive_requests 1000000000; }
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server {
    listen 127.0.0.1:${ports.http} backlog=1024;
    listen 127.0.0.1:${ports.https} ssl http2 backlog=1024;
    ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};
    location / {
      proxy_pass http://origin; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
${stream === undefined ? '' : tcp}
`,
  )
}

export function writeHaproxy({ folder, ports, origin, certificate }: Setup): string {
  const pem = join(folder, 'haproxy.pem')
  writeFileSync(pem, readFileSync(certificate.cert, 'utf8') + readFileSync(certificate.key, 'utf8'))
  const servers = (of: readonly number[]): string =>
    of.map((port, i) => `  server s${i} 127.0.0.1:${port}`).join('\n')
  return write(
    join(folder, 'haproxy.cfg'),
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  timeout http-request 30s
frontend http
  bind 127.0.0.1:${ports.http} backlog 1024
  bind 127.0.0.1:${ports.https} backlog 1024 ssl crt ${pem} alpn h2,http/1.1
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  default_backend origin
backend origin
  balance random
  http-reuse always
${servers(origin.http)}
frontend tcp
  mode tcp
  bind 127.0.0.1:${ports.tcp} backlog 1024
  default_backend echo
backend echo
  mode tcp
  balance random
${servers(origin.echo)}
`,
  )
}

/**
 * A front as anyone would set it up: every limit at its default but those of
 * `front`. Its map must have a node; none is started.
 */
export function writeAries(
  { folder, ports, origin, certificate }: Setup,
  own: readonly number[],
  front: object = {},
): string {
  const map = {
    cluster: 'bench',
    epoch: 1,
    nodes: [{ id: 'n1', host: '127.0.0.1', gossip: own[0], data: own[1], admin: own[2] }],
    fronts: [{ id: 'f1', host: '127.0.0.1', gossip: own[3], admin: own[4] }],
  }
  write(join(folder, 'cluster.yaml'), stringify(map))
  return write(
    join(folder, 'aries.yaml'),
    stringify({
      listeners: [
        { http: `127.0.0.1:${ports.http}` },
        { http: `127.0.0.1:${ports.https}`, tls: { certificates: [certificate] } },
        {
          tcp: `127.0.0.1:${ports.tcp}`,
          upstreams: origin.echo.map((port) => `tcp://127.0.0.1:${port}`),
        },
      ],
      routes: [{ path: '/*', upstreams: origin.http.map((port) => `http://127.0.0.1:${port}`) }],
      front: { shards: 1, ...front },
    }),
  )
}

function write(file: string, text: string): string {
  writeFileSync(file, text)
  return file
}
