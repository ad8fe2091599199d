/** Parses a command line, runs its command, and turns what comes of it into an exit code. */
import { type Command, CommanderError } from 'commander'
import { EXIT, fail } from './output.ts'
import { buildProgram } from './program.ts'

export async function commandLine(args: readonly string[]): Promise<number> {
  let code: number = EXIT.ok
  const program = buildProgram((exit) => {
    code = exit
  })
  for (const command of withSubcommands(program)) command.exitOverride()
  try {
    await program.parseAsync(args, { from: 'user' })
    return code
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) return fail(thrown, args.includes('--json'))
    // commander has printed its own message.
    return thrown.exitCode === 0 ? EXIT.ok : EXIT.usage
  }
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)]
}
