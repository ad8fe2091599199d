import t from 'tap'
import { CONFIG, MAP, refusal } from './config-folder.ts'

/** What is wrong → which line of the message must say so. */
const REFUSED: readonly {
  name: string
  config?: string
  map?: string
  says: readonly (RegExp | string)[]
}[] = [
  {
    name: 'an unknown key, with the one that was meant',
    config: `${CONFIG}fornt: {}\n`,
    says: [/aries\.yaml:8:1: fornt: is not a known key; did you mean `front`\?/],
  },
  {
    name: 'an unknown key deeper down',
    config: `${CONFIG}front:\n  headBytesMax: 4096\n  shrads: 2\n`,
    says: [/aries\.yaml:10:3: front\.shrads: is not a known key; did you mean `shards`\?/],
  },
  {
    name: 'an unknown key that is like none',
    config: `${CONFIG}log: { colour: blue }\n`,
    says: [/aries\.yaml:8:8: log\.colour: is not a known key; known are `level`/],
  },
  {
    name: 'upstreams that cannot be as they are written',
    config: `${CONFIG}  - path: /a
    upstreams:
      - { url: [http://h:1, http://h:1/x], weight: 0 }
      - { url: http://h:1, weight: 0 }
    sticky: { cookie: srv, sameSite: none, secure: never }
`,
    says: [
      /routes\[3\]\.upstreams\[0\]\.url\[1\]: must be `http:\/\/host:port`/,
      /routes\[3\]\.upstreams\[1\]\.url: stands in the list twice/,
      /routes\[3\]\.upstreams: needs an entry whose weight is not 0/,
      /routes\[3\]\.sticky\.secure: must not be `never`/,
    ],
  },
  {
    name: 'an unknown key of an upstream',
    config: `${CONFIG}  - { path: /a, upstreams: [{ url: http://h:1, wieght: 2 }] }\n`,
    says: [/routes\[3\]\.upstreams\[0\]\.wieght: .*did you mean `weight`/],
  },
  {
    name: 'what a route cannot have at once',
    config: `${CONFIG}  - path: /a/:id
    upstreams: [http://h:1]
    sticky: { by: path }
    hedge: {}
    rewrite: /:name/*
    mirror: { upstreams: [tcp://h:1] }
    health: { path: /b }
  - { path: /b, upstreams: [http://h:1], health: { path: /c } }
`,
    says: [
      /routes\[3\]\.hedge: does not go with `sticky`/,
      /routes\[3\]\.rewrite: has `:name`, and its path has not/,
      /routes\[3\]\.rewrite: has `\*`, and its path has not/,
      /routes\[3\]\.mirror\.upstreams\[0\]: must be `http:\/\/host:port`/,
      /routes\[4\]\.health: is another for http:\/\/h:1 in routes\[3\]; an upstream has one/,
    ],
  },
  {
    name: "edits of headers that are the front's, and variables that are none",
    config: `${CONFIG}  - path: /a
    upstreams: [http://h:1]
    requestHeaders: { set: { Content-Length: '1' }, add: { X-A: '{colour}' } }
    rateLimits: [{ by: colour, requests: 1 }]
`,
    says: [
      /requestHeaders\.set\.Content-Length: is for the front to write/,
      /requestHeaders\.add\.X-A: has a `\{` that begins no variable/,
      /rateLimits\[0\]\.by: must be `address`, `route`/,
    ],
  },
  {
    name: 'stickiness by what no request has',
    config: `${CONFIG}  - { path: /a, upstreams: [http://h:1], sticky: { by: colour } }\n`,
    says: [/routes\[3\]\.sticky\.by: must be `address`/],
  },
  {
    name: 'options of a class that no route has, with the one that was meant',
    config: `${CONFIG}classes:\n  countre: { queueMax: 1 }\n`,
    says: [
      /aries\.yaml:9:3: classes\.countre: is not a worker class of a route; did you mean `counter`\?/,
    ],
  },
  {
    name: 'options of a task as if it were a class',
    config: `${CONFIG}classes: { hello: {} }\n`,
    says: [/aries\.yaml:8:12: classes\.hello: is not a worker class .*; there are `counter`/],
  },
  {
    name: 'an unknown option of a class',
    config: `${CONFIG}classes:\n  counter: { queuMax: 1 }\n`,
    says: [/aries\.yaml:9:14: classes\.counter\.queuMax: is not .*; did you mean `queueMax`\?/],
  },
  {
    name: 'classes without options',
    config: `${CONFIG}classes: [counter]\n`,
    says: [/aries\.yaml:8:10: classes: expected keys and values, found a list/],
  },
  {
    name: 'a class without options',
    config: `${CONFIG}classes: { counter: }\n`,
    says: [/classes\.counter: expected keys and values, found nothing/],
  },
  {
    name: 'an option of a class out of range',
    config: `${CONFIG}classes: { counter: { requestTimeoutMs: 0 } }\n`,
    says: [/classes\.counter\.requestTimeoutMs: expected at least 1/],
  },
  {
    name: 'a standby of workers that have a process each: nothing could follow them there',
    config: `${CONFIG}classes: { counter: { isolation: process, standby: 1 } }\n`,
    says: [/classes\.counter\.standby: is for workers that share a host process/],
  },
  {
    name: 'a class pinned to a node that the map does not have',
    config: `${CONFIG}classes: { counter: { pin: n9 } }\n`,
    says: [/aries\.yaml:8:\d+: classes\.counter\.pin: n9 is not a node of the map; .*`n1`/],
  },
  {
    name: 'one of several',
    config: `${CONFIG}classes: { counter: { pin: [n1, n9] } }\n`,
    says: [/classes\.counter\.pin\[1\]: n9 is not a node of the map/],
  },
  {
    name: 'near what is not there',
    config: `${CONFIG}resources: { disk: [n1, n8] }\nclasses: { counter: { near: { resource: dsik } } }\n`,
    says: [
      /resources\.disk\[1\]: n8 is not a node of the map/,
      /classes\.counter\.near\.resource: is not under `resources`; did you mean `disk`\?/,
    ],
  },
  {
    name: 'near a class that no route has',
    config: `${CONFIG}classes: { counter: { near: { class: rooms } } }\n`,
    says: [/classes\.counter\.near\.class: is not a worker class of a route; there are `counter`/],
  },
  {
    name: 'near itself',
    config: `${CONFIG}classes: { counter: { near: { class: counter } } }\n`,
    says: [/classes\.counter\.near\.class: is the class itself/],
  },
  {
    name: 'near a worker that is none',
    config: `${CONFIG}classes: { counter: { near: { worker: counter } } }\n`,
    says: [/classes\.counter\.near\.worker: must be <class>\/<key>/],
  },
  {
    name: 'near in another shape',
    config: `${CONFIG}classes: { counter: { near: n1 } }\n`,
    says: [/classes\.counter\.near: /],
  },
  {
    name: 'a wrong type',
    config: `${CONFIG}front: { shards: many }\n`,
    says: [/aries\.yaml:8:18: front\.shards: expected a number, found a string/],
  },
  {
    name: 'a fraction where a whole number belongs',
    map: MAP.replace('epoch: 1', 'epoch: 1.5'),
    says: [/cluster\.yaml:2:8: epoch: expected a whole number, found a fraction/],
  },
  {
    name: 'a number out of range',
    map: MAP.replace('17201', '70000'),
    says: [/cluster\.yaml:4:53: nodes\[0\]\.data: expected at most 65535/],
  },
  {
    name: 'a missing key',
    map: MAP.replace(', admin: 17302', ''),
    says: [/cluster\.yaml:5:5: nodes\[1\]\.admin: is missing/],
  },
  {
    name: 'an empty value',
    config: CONFIG.replace('store: sqlite:../data/aries.db', 'store:'),
    says: [/aries\.yaml:1:\d+: store: expected text, found nothing/],
  },
  {
    name: 'a list that is none',
    config: CONFIG.replace(/routes:[\s\S]*/, 'routes: none\n'),
    says: [/aries\.yaml:4:9: routes: expected a list, found a string/],
  },
  {
    name: 'an option that is none',
    config: CONFIG.replace('19001] }', '19001], forwarder: nginx }'),
    says: [/aries\.yaml:7:\d+: routes\[2\]\.forwarder: expected one of `aries`, `http-proxy`/],
  },
  {
    name: 'a route that goes nowhere',
    config: `${CONFIG}  - { path: /x }\n`,
    says: [/aries\.yaml:8:5: routes\[3\]: needs one of `task`, `worker`, `upstreams`/],
  },
  {
    name: 'a route that goes to two places',
    config: `${CONFIG}  - { path: /x, task: a.ts, worker: b.ts }\n`,
    says: [/routes\[3\]: has `task` and `worker`; only one of them may stand here/],
  },
  {
    name: 'a route with a misspelt kind',
    config: `${CONFIG}  - { path: /x, taks: ../workers/hello.ts }\n`,
    says: [/aries\.yaml:8:17: routes\[3\]\.taks: is not a known key; did you mean `task`\?$/],
  },
  {
    name: 'a key that belongs to another kind of route',
    config: `${CONFIG}  - { path: /x, task: ../workers/hello.ts, forwarder: aries }\n`,
    says: [/routes\[3\]\.forwarder: does not go with `task`/],
  },
  {
    name: 'a route that is no mapping',
    config: `${CONFIG}  - /x\n`,
    says: [/routes\[3\]: expected keys and values, found a string/],
  },
  {
    name: 'a path without its slash',
    config: CONFIG.replace('/hello,', 'hello,'),
    says: [/aries\.yaml:5:13: routes\[0\]\.path: must begin with `\/`/],
  },
  {
    name: 'a worker without :key',
    config: CONFIG.replace('/counter/:key', '/counter/:name'),
    says: [/aries\.yaml:6:13: routes\[1\]\.path: needs exactly one segment `:key`/],
  },
  {
    name: 'a worker with :key twice',
    config: CONFIG.replace('/counter/:key', '/counter/:key/:key'),
    says: [/routes\[1\]\.path: names a segment twice/, /needs exactly one segment `:key`/],
  },
  {
    name: 'a star in the middle, an empty segment, a stray colon',
    config: CONFIG.replace('/legacy/*', '/legacy/*/x//a:b'),
    says: [/only the last segment may be `\*`/, /has an empty segment/, /`a:b` is neither text/],
  },
  {
    name: 'a route that is never reached',
    config: `${CONFIG}  - { path: /counter/:name, task: ../workers/hello.ts }\n`,
    says: [/routes\[3\]\.path: is never reached: routes\[1\] takes the same requests/],
  },
  {
    name: 'a redirect that leads where the client says, or takes what the path has not',
    config: `${CONFIG}  - { path: /a/:b, redirect: 'https://:b/' }\n  - { path: /c/:d, redirect: '/:e/*' }\n`,
    says: [
      /routes\[3\]\.redirect: must be a path, or a URL of http or https whose host is written out/,
      /routes\[4\]\.redirect: has `:e`, and its path has not/,
      /routes\[4\]\.redirect: has `\*`, and its path has not/,
    ],
  },
  {
    name: 'an answer that would break its head',
    config: `${CONFIG}  - { path: /x, respond: { headers: { Content-Length: '1', A: "b\\r\\nC: d" } } }\n`,
    says: [/is for the front to write/, /is no value of a header/],
  },
  {
    name: 'a module that is not there',
    config: CONFIG.replace('hello.ts', 'hallo.ts'),
    says: [/aries\.yaml:5:27: routes\[0\]\.task: there is no file .*workers\/hallo\.ts/],
  },
  {
    name: 'a module that is a folder',
    config: CONFIG.replace('../workers/hello.ts', '../workers'),
    says: [/routes\[0\]\.task: .*workers is not a file/],
  },
  {
    name: 'one module as task and worker',
    config: `${CONFIG}  - { path: /x, task: ../workers/counter.ts }\n`,
    says: [/routes\[3\]\.task: one module is a task or a worker class, not both/],
  },
  {
    name: 'an upstream with a path',
    config: CONFIG.replace('http://127.0.0.1:19001', 'http://127.0.0.1:19001/x'),
    says: [/routes\[2\]\.upstreams\[0\]: must be `http:\/\/host:port`, without a path/],
  },
  {
    name: 'an upstream with another scheme',
    config: CONFIG.replace('http://127.0.0.1:19001', 'ftp://127.0.0.1:19001'),
    says: [/routes\[2\]\.upstreams\[0\]: must be `http:\/\/host:port`/],
  },
  {
    name: 'a listener without a port',
    config: CONFIG.replace('127.0.0.1:18080', '127.0.0.1'),
    says: [/aries\.yaml:3:13: listeners\[0\]\.http: must be host:port/],
  },
  {
    name: 'a TCP listener with an HTTP upstream',
    config: CONFIG.replace(
      'http: 127.0.0.1:18080',
      'tcp: 127.0.0.1:18080, upstreams: [http://a:1]',
    ),
    says: [/listeners\[0\]\.upstreams\[0\]: must be `tcp:\/\/host:port`/],
  },
  {
    name: 'a store that is none',
    config: CONFIG.replace('sqlite:../data/aries.db', 'mysql://x'),
    says: [/aries\.yaml:1:8: store: must be `sqlite:<file>` or `postgres:/],
  },
  {
    name: 'a store in memory',
    config: CONFIG.replace('sqlite:../data/aries.db', "'sqlite::memory:'"),
    says: [/store: every process of a node opens the store: it must be a file/],
  },
  {
    name: 'two members of one name',
    map: MAP.replace('id: n2', 'id: f1'),
    says: [/fronts\[0\]\.id: another member is already called f1/],
  },
  {
    name: 'a port given away twice',
    map: MAP.replace('17302', '17201'),
    says: [
      /cluster\.yaml:5:\d+: nodes\[1\]\.admin: TCP port 17201 is already that of the data port of n1/,
    ],
  },
  {
    name: 'a port of a listener given away again',
    map: MAP.replace('admin: 17300', 'admin: 18080'),
    says: [/fronts\[0\]\.admin: TCP port 18080 is already that of the http listener/],
  },
  {
    name: 'SQLite on several machines, with the way out',
    config: `${CONFIG}key: abcdefghijklmnopqrstuvwxyz\n`,
    map: MAP.replace('127.0.0.1', '10.0.0.1').replaceAll('127.0.0.1', '10.0.0.2'),
    says: [/aries\.yaml:1:8: store: SQLite is a file of one machine.*10\.0\.0\.1.*use PostgreSQL/],
  },
  {
    name: 'an address of others without a key, with the way out',
    map: MAP.replaceAll('127.0.0.1', '10.0.0.1'),
    says: [/aries\.yaml:\d+:\d+: key: the map binds 10\.0\.0\.1, .* there is no key; set one/],
  },
  {
    name: 'loopback among other machines',
    config: `${CONFIG.replace('sqlite:../data/aries.db', 'postgres://db/a')}key: abcdefghijklmnopqrst\n`,
    map: MAP.replaceAll('127.0.0.1', '10.0.0.1').replace(
      '{ id: n2, host: 10.0.0.1',
      '{ id: n2, host: 127.0.0.1',
    ),
    says: [/nodes\[1\]\.host: 127\.0\.0\.1 cannot be reached from the machine of n1/],
  },
  {
    name: 'a host that is every address',
    map: MAP.replace('127.0.0.1', '0.0.0.0'),
    config: `${CONFIG.replace('sqlite:../data/aries.db', 'postgres://db/a')}key: abcdefghijklmnopqrst\n`,
    says: [/nodes\[0\]\.host: no member can reach another at 0\.0\.0\.0/],
  },
  {
    name: 'a variable that is not set',
    config: `${CONFIG}key: \${NOWHERE}\n`,
    says: [
      /aries\.yaml:8:6: the environment has no NOWHERE; set it, or write `\$\{NOWHERE:-default\}`/,
    ],
  },
  {
    name: 'broken YAML',
    config: `${CONFIG}key: [a\n`,
    says: [/aries\.yaml:9:1: Flow sequence/],
  },
  {
    name: 'a key twice',
    config: `${CONFIG}store: sqlite:x\n`,
    says: [/aries\.yaml:8:1: Map keys must be unique/],
  },
  {
    name: 'an alias without an anchor',
    config: `${CONFIG}key: *nobody\n`,
    says: [/aries\.yaml:8:6: there is no such anchor/],
  },
  {
    name: 'an empty file',
    map: '',
    says: [/cluster\.yaml:1:1: expected keys and values, found nothing/],
  },
]

for (const { name, says, ...files } of REFUSED) {
  t.test(`refuses ${name}`, async (t) => {
    const message = await refusal(t, files)
    for (const words of says) t.match(message, words)
    const wanted = says.length === 1 ? 1 : says.length + 1
    t.equal(message.split('\n').length, wanted, `nothing else is reported: ${message}`)
  })
}
