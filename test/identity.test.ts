import t from 'tap'
import { formatWorkerId, KEY_BYTES_MAX, parseWorkerId } from '../src/identity.ts'

t.test('a worker name survives the way through a header', async (t) => {
  for (const key of ['a', 'a b', 'ä/ö?&#%', '..', '漢'.repeat(100), 'x'.repeat(KEY_BYTES_MAX)]) {
    const id = { class: 'counter', key }
    const text = formatWorkerId(id)
    t.match(text, /^[\x21-\x7e]+$/, 'printable ASCII')
    t.strictSame(parseWorkerId(text), id)
  }
})

t.test('what is no worker name is refused', async (t) => {
  const bad = [
    '',
    'counter',
    '/a',
    'counter/',
    '1x/a',
    'co unter/a',
    'counter/%',
    'counter/%ff',
    'counter/%00',
    `counter/${'x'.repeat(KEY_BYTES_MAX + 1)}`,
    `counter/${'%C3%A4'.repeat(KEY_BYTES_MAX / 2 + 1)}`,
    `${'c'.repeat(64)}/a`,
  ]
  for (const text of bad) {
    t.throws(() => parseWorkerId(text), { code: 'ARIES_E_BAD_REQUEST' }, text.slice(0, 30))
  }
})
