import { Command } from 'commander'
import type { TaskStats } from '../../contract/stats.ts'
import { type ExecutorView, TASK_STATUSES } from '../../contract/task.ts'
import { findPausedTypes } from '../../engine/store/task-types.ts'
import { type CommandRun, examples } from '../call.ts'
import { managerAction } from '../manager-call.ts'
import { table } from '../output.ts'

interface Status {
  readonly stats: TaskStats
  readonly executors: readonly ExecutorView[]
  readonly paused: readonly string[]
}

export function statusCommand(run: CommandRun): Command {
  return new Command('status')
    .description('shows executors, counts of tasks, the longest wait, and paused types')
    .addHelpText('after', examples('status', 'status --json'))
    .action(
      managerAction(run, async ({ call, manager, db }) => {
        const [stats, executors, paused] = await Promise.all([
          manager.stats(),
          manager.listExecutors(),
          findPausedTypes(db),
        ])
        const status = { stats, executors, paused: [...paused].toSorted() }
        call.print(status, () => describe(status))
      }),
    )
}

function describe({ stats, executors, paused }: Status): string {
  const { byStatus, byType, isCapped, oldestDueSeconds } = stats
  const more = isCapped ? ' or more' : ''
  const counts = TASK_STATUSES.map((status) => `${status} ${byStatus[status]}`).join(', ')
  const wait =
    oldestDueSeconds === null ? 'none waits' : `the oldest one waits for ${seconds(oldestDueSeconds)}`
  const facts = [`tasks: ${counts}${more}`, `due tasks: ${wait}`]
  if (paused.length > 0) facts.push(`paused types: ${paused.join(', ')}`)
  const executorRows = executors.map((one) => [
    ...[one.id, one.host, one.pid, one.version, one.alive ? 'yes' : 'no', one.slots, one.runningTasks.length],
    ...[one.stuck.length, seconds(one.heartbeatAgeMs / 1_000)],
  ])
  const typeRows = byType.map((one) => [
    ...[one.taskType, ...TASK_STATUSES.map((status) => one[status])],
    paused.includes(one.taskType) ? 'paused' : one.waitingFor === 'executor' ? 'waits for an executor' : '',
  ])
  const head = ['EXECUTOR', 'HOST', 'PID', 'VERSION', 'ALIVE', 'SLOTS', 'RUNNING', 'STUCK', 'HEARTBEAT']
  return [
    facts.join('\n'),
    executors.length > 0 ? table(head, executorRows) : 'no executor',
    ...(byType.length > 0 ? [table(['TYPE', ...TASK_STATUSES.map(upper), ''], typeRows)] : []),
  ].join('\n\n')
}

const upper = (text: string) => text.toUpperCase()
const seconds = (value: number) => `${value < 10 ? value.toFixed(1) : Math.round(value)} s`
