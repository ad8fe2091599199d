import type { Command } from 'commander'
import { buildProgram } from '../program.ts'
import { code, page } from './markdown.ts'

const WIDTH = 90

/** `docs/reference/cli.md`: the help texts as commander prints them. */
export function cliPage(): string {
  const program = buildProgram()
  const commands = program.commands.filter((command) => command.name() !== 'help')
  return page('Command line', [
    '`npx aries <command>`, or `npm run aries -- <command>` in the repository. Commands that read or change a running cluster ask the admin API of any of its members (see [http-api.md](http-api.md)).',
    code(helpOf(program)),
    ...commands.flatMap((command) => section(command, `aries ${command.name()}`)),
  ])
}

function section(command: Command, name: string): string[] {
  const own = command.commands.filter((each) => each.name() !== 'help')
  const below = own.flatMap((each) => section(each, `${name} ${each.name()}`))
  return [`## ${name}`, code(helpOf(command)), ...below]
}

function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({
    writeOut: (part) => {
      text += part
    },
    getOutHelpWidth: () => WIDTH,
    getOutHasColors: () => false,
  })
  command.outputHelp()
  return text.trimEnd()
}
