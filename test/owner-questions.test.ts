import t from 'tap'
import { type AriesError, errorBody } from '../src/errors.ts'
import { AnswerDecoder, answerLine, QUESTIONS_MAX, questionsIn } from '../src/owner-questions.ts'

const owner = { node: 'n1', host: '127.0.0.1', port: 4_711, epoch: 3 }

t.test('answers come in any order and any cut of the stream', async (t) => {
  const error = errorBody('ARIES_E_NO_TARGET', 'no node can take zähler/ä now')
  const bytes = Buffer.from(answerLine(1, error) + answerLine(0, owner))
  for (let cut = 0; cut <= bytes.length; cut++) {
    const decoder = new AnswerDecoder(2)
    const answers = [bytes.subarray(0, cut), bytes.subarray(cut)].flatMap((b) => decoder.push(b))
    t.match(
      answers.map(([n]) => n),
      [1, 0],
    )
    const [[, refused], [, found]] = answers as [[number, AriesError], [number, unknown]]
    if (refused.message !== error.error.message) t.fail(`cut at ${cut}: ${refused.message}`)
    t.match(refused, { code: 'ARIES_E_NO_TARGET' })
    t.same(found, owner)
  }
})

t.test('what nobody asked, what was answered, and what is no answer', async (t) => {
  for (const line of [
    answerLine(2, owner),
    answerLine(-1, owner),
    answerLine(0, owner) + answerLine(0, owner),
    answerLine(0, { ...owner, port: -1 }),
    '[0]\n',
    '{}\n',
    'x\n',
    '\n',
  ]) {
    t.throws(() => new AnswerDecoder(2).push(Buffer.from(line)), Error, line)
  }
  const decoder = new AnswerDecoder(1)
  t.throws(() => {
    for (let i = 0; i < 10; i++) decoder.push(Buffer.alloc(64 * 1024, 'x'))
  }, /too long/)
})

t.test('questions', async (t) => {
  const question = { class: 'counter', key: 'a' }
  t.same(questionsIn({ questions: [question] }), [question])
  const many = Array.from({ length: QUESTIONS_MAX + 1 }, () => question)
  for (const questions of [undefined, {}, [], [1], [{ class: 'counter' }], many]) {
    t.throws(() => questionsIn({ questions }), { code: 'ARIES_E_BAD_REQUEST' })
  }
})
