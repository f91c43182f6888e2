import { Command } from 'commander'
import type { TaskDetail } from '../../contract/task.ts'
import { taskNotFound } from '../../engine/definition/errors.ts'
import { type CommandRun, examples } from '../call.ts'
import { managerAction } from '../manager-call.ts'
import { fields, table } from '../output.ts'

export function showCommand(run: CommandRun): Command {
  return new Command('show')
    .argument('<task-id>')
    .summary('shows a task with its params, result, steps and attempts')
    .description(
      'shows a task with its params, result, steps and attempts. Params are printed as they are stored, secret ones too: the command does not know what types redact',
    )
    .addHelpText('after', examples('show task_0198c5a0f7e27c1a8b9d3e4f5a6b7c8d'))
    .action(
      managerAction(run, async ({ call, manager }, taskId: string) => {
        const task = await manager.getTask(taskId)
        if (!task) throw taskNotFound(taskId)
        call.print(task, () => describe(task))
      }),
    )
}

function describe(task: TaskDetail): string {
  const facts = fields({
    task: task.taskId,
    type: task.taskType,
    status: `${task.status}${task.stopping ? ', its handler has not returned' : ''}`,
    'waiting for': task.waitingFor === undefined ? undefined : 'an executor that has its type',
    progress: `${task.percent} % (${task.progress} of ${task.total})${task.step === null ? '' : `, ${task.step}`}`,
    created: task.createdAt,
    'created by': task.createdBy,
    due: task.runAt,
    started: task.startedAt,
    ended: task.completedAt ?? task.cancelledAt,
    retries: `${task.retryCount} of ${task.maxRetries}`,
    timeout: `${task.timeoutSeconds} s`,
    priority: task.priority,
    'unique key': task.uniqueKey,
    executor: task.executorId,
    error: task.error,
  })
  const { attempts, steps } = task
  const parts = [facts, `params  ${JSON.stringify(task.params)}`, `result  ${JSON.stringify(task.result)}`]
  if (steps.length > 0) {
    const rows = steps.map(({ name, attempt, endedAt }) => [name, attempt, endedAt])
    parts.push(table(['STEP', 'ATTEMPT', 'ENDED'], rows))
  }
  const rows = attempts.map((one) => [one.attempt, one.startedAt, one.endedAt, one.outcome, one.error])
  if (rows.length > 0) parts.push(table(['ATTEMPT', 'STARTED', 'ENDED', 'OUTCOME', 'ERROR'], rows))
  return parts.join('\n\n')
}
