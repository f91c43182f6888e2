import type { ExecutorView, TaskStats, TaskSummary, TaskTypeView } from '../../client/index.ts'

/** What a due task waits for. */
export type Wait = 'paused' | 'executor' | 'rate' | 'limit' | 'slots'

/** A claim may be on its way. */
const USUAL_MS = 2_000

interface Known {
  readonly types: readonly TaskTypeView[] | undefined
  readonly executors: readonly ExecutorView[] | undefined
  readonly stats: TaskStats | undefined
}

/** Undefined: it is not due, or nobody knows. Limits of keys are not known here. */
export function whyWaiting(
  task: Pick<TaskSummary, 'status' | 'taskType' | 'runAt'>,
  now: number,
  { types, executors = [], stats }: Known,
): Wait | undefined {
  if (task.status !== 'pending') return undefined
  const type = types?.find(({ taskType }) => taskType === task.taskType)
  if (type?.paused) return 'paused'
  if (now - task.runAt.getTime() < USUAL_MS) return undefined
  const counts = stats?.byType.find(({ taskType }) => taskType === task.taskType)
  if (counts?.waitingFor === 'executor') return 'executor'
  const permitAt = type?.rateLimit?.nextPermitAt
  if (permitAt && permitAt.getTime() > now) return 'rate'
  const serving = executors.filter(({ alive, taskTypes }) => alive && taskTypes.includes(task.taskType))
  if (serving.length === 0) return undefined
  if (type && counts && counts.running >= limitOf(type, serving.length)) return 'limit'
  return serving.every(({ runningTasks, slots }) => runningTasks.length >= slots) ? 'slots' : undefined
}

function limitOf({ concurrency, globalConcurrency }: TaskTypeView, processes: number): number {
  const ofProcesses = concurrency === null ? Number.POSITIVE_INFINITY : concurrency * processes
  return Math.min(globalConcurrency ?? Number.POSITIVE_INFINITY, ofProcesses)
}
