import type { Command } from 'commander'
import { type CommandRun, examples } from '../call.ts'
import { steeringCommand } from './steer-tasks.ts'

export function cancelCommand(run: CommandRun): Command {
  return steeringCommand(run, {
    action: 'cancel',
    done: 'cancelled',
    one: (manager, taskId, { actor }) => manager.cancelTask(taskId, { actor }),
  })
    .description('cancels pending and running tasks')
    .addHelpText(
      'after',
      examples(
        'cancel task_0198c5a0f7e27c1a8b9d3e4f5a6b7c8d',
        'cancel --task-type send_report --status pending --dry-run',
      ),
    )
}
