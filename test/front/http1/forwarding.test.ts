import t from 'tap'
import { Forwarding, passedOnLines, schemeOf } from '../../../src/front/http1/forwarding.ts'
import { Fields } from '../../../src/http1/fields.ts'
import { isSubnet } from '../../../src/subnets.ts'
import { ask, rawOrigin, startFrontTo, targetAt } from './harness.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'

const fieldsOf = (lines: string): Fields => new Fields(`${lines}\r\n`, 0)

t.test('the client is the first from the end of the chain that is no trusted proxy', (t) => {
  const trust = new Forwarding(['10.0.0.0/8', '192.168.1.1', 'fd00::/8'])
  const client = (value: string) =>
    trust.clientOf(fieldsOf(value === '' ? '' : `X-Forwarded-For: ${value}\r\n`), '10.0.0.9')
  t.equal(client(''), '10.0.0.9')
  t.equal(client('203.0.113.7'), '203.0.113.7')
  t.equal(client('203.0.113.7, 10.1.2.3, 192.168.1.1'), '203.0.113.7')
  t.equal(
    client('1.1.1.1, 203.0.113.7, 10.1.2.3'),
    '203.0.113.7',
    'what it claimed is not believed',
  )
  t.equal(client('10.1.1.1, 10.2.2.2'), '10.1.1.1', 'all of them trusted: the farthest')
  t.equal(client('2001:db8::7, fd00::1'), '2001:db8::7')
  t.equal(client('203.0.113.7, unknown, 10.1.2.3'), '10.1.2.3', 'nothing behind what is no address')
  t.equal(client(`203.0.113.7, ${'10.0.0.1, '.repeat(40)}10.0.0.1`), '10.0.0.1', 'a long chain')
  t.equal(
    trust.clientOf(fieldsOf('X-Forwarded-For: 203.0.113.7\r\nx-forwarded-for: 10.1.1.1\r\n'), 'x'),
    '203.0.113.7',
    'several lines are one list',
  )
  t.notOk(new Forwarding([]).trusts('127.0.0.1'))
  t.notOk(trust.trusts(''))
  t.end()
})

t.test('what a trusted proxy says is passed on, with its address', (t) => {
  t.equal(
    passedOnLines(fieldsOf(''), '10.0.0.9', 'https', 'a'),
    'X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n',
  )
  const said = [
    'X-Forwarded-For: 1.1.1.1',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: shop',
    'X-Forwarded-Port: 443',
    'Forwarded: for=1.1.1.1',
    'Other: x',
  ]
  t.equal(
    passedOnLines(fieldsOf(`${said.join('\r\n')}\r\n`), 'fd00::9', 'http', 'a'),
    [
      'X-Forwarded-For: 1.1.1.1, fd00::9',
      'Forwarded: for=1.1.1.1, for="[fd00::9]"',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: shop',
      'X-Forwarded-Port: 443',
      '',
    ].join('\r\n'),
  )
  t.end()
})

t.test('how the client came is what the proxy says, if it says it', (t) => {
  t.equal(schemeOf(fieldsOf('X-Forwarded-Proto: HTTPS\r\n'), 'http'), 'https')
  t.equal(schemeOf(fieldsOf('X-Forwarded-Proto: http\r\n'), 'https'), 'http')
  t.equal(schemeOf(fieldsOf('X-Forwarded-Proto: https, http\r\n'), 'http'), 'http')
  t.equal(schemeOf(fieldsOf(''), 'https'), 'https')
  t.end()
})

t.test('only trusted proxies are believed, in heads and in records', async (t) => {
  const origin = await rawOrigin(t, (connection) => connection.write(OK))
  const request =
    'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\nConnection: close\r\n\r\n'
  const seen = async (trustedProxies: string[]) => {
    const front = await startFrontTo(t, targetAt(origin.port), { trustedProxies })
    await ask(t, front.port, request)
    const head = origin.connections.at(-1)!.text
    return [/X-Forwarded-For: (.*)\r\n/.exec(head)?.[1], front.records[0]?.remoteAddress]
  }
  t.strictSame(await seen([]), ['127.0.0.1', '127.0.0.1'])
  t.strictSame(await seen(['10.0.0.0/8']), ['127.0.0.1', '127.0.0.1'])
  t.strictSame(await seen(['127.0.0.0/8']), ['203.0.113.7, 127.0.0.1', '203.0.113.7'])
})

t.test('what is a subnet', (t) => {
  for (const good of ['10.0.0.0/8', '::/0', '127.0.0.1', 'fd00::/128', '0.0.0.0/0']) {
    t.ok(isSubnet(good), good)
  }
  for (const bad of ['', 'a', '10.0.0.0/33', '::1/129', '10.0.0.0/8/8', '10.0.0.0/', '1.2.3']) {
    t.notOk(isSubnet(bad), bad)
  }
  t.end()
})
