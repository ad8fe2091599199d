import t from 'tap'
import { dataToken, tokensEqual } from '../src/auth.ts'

t.test('a key gives one token, another key another, no key none', async (t) => {
  t.match(dataToken('secret'), /^[0-9a-f]{64}$/)
  t.equal(dataToken('secret'), dataToken('secret'))
  t.not(dataToken('secret'), dataToken('Secret'))
  t.equal(dataToken(''), '')
})

t.test('only the token itself opens; without a key everyone may enter', async (t) => {
  const token = dataToken('secret')
  t.equal(tokensEqual(token, token), true)
  t.equal(tokensEqual(undefined, token), false)
  t.equal(tokensEqual('', token), false)
  t.equal(tokensEqual(`${token}0`, token), false)
  t.equal(tokensEqual(dataToken('other'), token), false)
  t.equal(tokensEqual(undefined, ''), true)
})
