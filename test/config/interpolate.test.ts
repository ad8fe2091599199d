import t from 'tap'
import { interpolate } from '../../src/config/interpolate.ts'
import { suggest } from '../../src/config/suggest.ts'

t.test('fills in variables and defaults as a shell does', async (t) => {
  const env = { A: 'one', EMPTY: '' }
  const filled = (text: string): string => interpolate(text, env).text
  t.equal(filled(`x-\${A}-\${A}`), 'x-one-one')
  t.equal(filled(`\${NONE:-two}`), 'two')
  t.equal(filled(`\${EMPTY:-two}`), 'two')
  t.equal(filled(`\${EMPTY}`), '')
  t.equal(filled(`\${NONE:-}`), '')
  t.equal(filled(`$\${A}`), `\${A}`)
  t.equal(filled('cost $5 {A}'), 'cost $5 {A}')
})

t.test('a value of the environment is not looked at again', async (t) => {
  t.equal(interpolate(`\${A}`, { A: `\${B}`, B: 'no' }).text, `\${B}`)
})

t.test('says what it cannot fill in', async (t) => {
  t.match(interpolate(`\${NONE}`, {}).problems, [/no NONE/])
  for (const text of [`\${`, `\${}`, `\${a b}`, `\${A-x}`, `\${A`]) {
    t.equal(interpolate(text, { A: 'a' }).problems.length, 1, text)
  }
})

t.test('guesses the word that was meant, or none', async (t) => {
  const known = ['listeners', 'routes', 'store', 'front', 'move']
  t.equal(suggest('listners', known), 'listeners')
  t.equal(suggest('Routes', known), 'routes')
  t.equal(suggest('fornt', known), 'front')
  t.equal(suggest('database', known), undefined)
  t.equal(suggest('x', known), undefined)
})
