import { runFront } from '../front/run.ts'
import { type MemberOptions, runMember } from './member.ts'

/** `aries front [--id f1]`: resolves with the exit code when it has ended. */
export function front(options: MemberOptions): Promise<number> {
  return runMember('front', options, runFront)
}
