import { ERRORS } from '../../errors.ts'
import { code, markdownTable, page } from './markdown.ts'

const BODY =
  '{ "error": { "code": "ARIES_E_…", "message": "what and where", "todo": "what to do" } }'

/** `docs/reference/errors.md`: every code with its status, meaning and remedy. */
export function errorsPage(): string {
  return page('Errors', [
    'Everything that Aries refuses on purpose carries a code of this list. Over HTTP the body is',
    code(BODY, 'json'),
    'and the status that of the table. On the command line `ARIES_E_CONFIG` and `ARIES_E_PORT_IN_USE` end with exit code 78, all others with 1.',
    markdownTable(
      ['code', 'status', 'means', 'what to do'],
      Object.entries(ERRORS).map(([name, { status, means, todo }]) => [
        `\`${name}\``,
        String(status),
        means,
        todo,
      ]),
    ),
  ])
}
