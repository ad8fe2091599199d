import t from 'tap'
import { dataTokens, Tokens } from '../src/auth.ts'

t.test('a key gives one token, another key another, no key none', async (t) => {
  const [one, again, other] = dataTokens(['secret', 'secret', 'Secret'])
  t.match(one, /^[0-9a-f]{64}$/)
  t.equal(one, again)
  t.not(one, other)
  t.same(dataTokens([]), [])
})

t.test('only the token itself opens; without a key everyone may enter', async (t) => {
  const [token, other] = dataTokens(['secret', 'other']) as [string, string]
  const tokens = new Tokens([token])
  t.equal(tokens.shown, token)
  t.equal(tokens.accept(token), true)
  for (const wrong of [undefined, '', `${token}0`, token.slice(1), other]) {
    t.equal(tokens.accept(wrong), false, String(wrong))
  }
  t.equal(new Tokens([]).accept(undefined), true)
  t.equal(new Tokens([]).shown, '')
})

t.test('while keys are replaced old and new open, and then the new one alone', async (t) => {
  const [before, after] = dataTokens(['before', 'after']) as [string, string]
  const tokens = new Tokens([before])
  tokens.set([before, after])
  t.same([tokens.shown, tokens.accept(before), tokens.accept(after)], [before, true, true])
  tokens.set([after, before])
  t.same([tokens.shown, tokens.accept(before), tokens.accept(after)], [after, true, true])
  tokens.set([after])
  t.same([tokens.shown, tokens.accept(before), tokens.accept(after)], [after, false, true])
})
