import type { Rpc } from '../rpc.ts'
import { JOBS_LIMIT_MAX, jobId, jobSpec, signalOf } from './job.ts'
import type { Jobs } from './jobs.ts'

type JobCall = 'jobsubmit' | 'jobhint' | 'jobs' | 'job' | 'jobusage' | 'jobkill'

/** What a node answers of jobs on its data port. */
export function jobHandlers(jobs: Jobs): {
  readonly [N in JobCall]: (params: Rpc[N]['params']) => Promise<Rpc[N]['result']>
} {
  return {
    jobsubmit: async (params) => jobs.submit(jobSpec(params)),
    jobhint: async ({ id }) => ({ started: await jobs.hint(jobId(id)) }),
    jobs: async ({ past, limit }) => {
      const most = Number.isInteger(limit) && limit > 0 ? limit : JOBS_LIMIT_MAX
      return jobs.list(past === true, Math.min(most, JOBS_LIMIT_MAX))
    },
    job: async ({ id }) => jobs.info(jobId(id)),
    jobusage: async () => jobs.usages,
    jobkill: async ({ id, signal }) =>
      jobs.kill(jobId(id), signal === undefined ? undefined : signalOf(signal)),
  }
}
