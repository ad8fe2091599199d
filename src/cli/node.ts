import { runNode } from '../node/run.ts'
import { type MemberOptions, runMember } from './member.ts'

/** `aries node --id ID`: resolves with the exit code when it has ended. */
export function node(options: MemberOptions): Promise<number> {
  return runMember('node', options, runNode)
}
