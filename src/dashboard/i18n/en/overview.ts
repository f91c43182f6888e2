import { tasks } from './count.ts'

export const status = {
  all: 'All',
  pending: 'Pending',
  running: 'Running',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled',
  scheduled: 'Due later',
  retrying: 'Retrying',
  stopping: 'Stopping',
}

export const outcome = {
  running: 'running',
  completed: 'completed',
  failed: 'failed',
  timed_out: 'timed out',
  cancelled: 'cancelled',
  interrupted: 'interrupted by a stop',
  lost: 'lost with its process',
  sleeping: 'sleeps',
}

export const overview = {
  title: 'Overview',
  lastHour: 'Last hour',
  hourSummary: (completed: number, failed: number, cancelled: number) =>
    `Last hour: ${completed} completed, ${failed} failed, ${cancelled} cancelled`,
  perMinute: (time: string, completed: number, failed: number, cancelled: number) =>
    `${time}: ${completed} completed, ${failed} failed, ${cancelled} cancelled`,
  waiting: 'Waiting',
  nothingWaits: 'Nothing is due',
  oldest: (time: string) => `oldest for ${time}`,
  executors: 'Executors',
  noExecutor: 'No executor is alive: nothing runs',
  slots: (used: number, all: number) => `${used} of ${all} slots`,
  heartbeat: (time: string) => `heartbeat ${time} ago`,
  dead: (time: string) => `no heartbeat for ${time}`,
  allExecutors: (n: number) => `Show all ${n}`,
  stuck: (n: number) => `${n} stuck`,
  stuckHint: 'A handler ignores its signal and keeps its slot',
  pid: (pid: number) => `process ${pid}`,
  held: (n: number) => `${tasks(n)} of paused types`,
  orphaned: (n: number) => `${tasks(n)} without an executor`,
  health: {
    ok: 'Healthy',
    failing: 'Many failures',
    backlog: 'Saturated',
    late: 'Late',
    lost: 'Executor lost',
    stuck: 'Stuck handler',
    down: 'Not running',
    missing: 'Executor missing',
    unknown: 'Unknown',
  },
  healthReasons: {
    ok: 'All executors are alive, and nothing has waited for a slot for over a minute',
    failing: 'A fifth or more of the tasks that ended in the last hour failed',
    backlog: 'All slots are in use, and due tasks have waited for over a minute',
    late: 'The heartbeat of an executor is late',
    lost: 'An executor died within the last hour',
    stuck: 'A handler ignores its signal and keeps its slot',
    down: 'No executor is alive: nothing runs',
    missing: 'Due tasks wait for an executor: no live one has registered their type',
    unknown: 'The server has not said yet, or cannot be reached',
  },
}
