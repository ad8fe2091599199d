/** `aries`, the process. */
import { commandLine } from './command-line.ts'
import { quietPipes } from './output.ts'

quietPipes()
process.exitCode = await commandLine(process.argv.slice(2))
