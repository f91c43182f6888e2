import type { Command } from 'commander'
import { type CommandRun, examples } from '../call.ts'
import { steeringCommand } from './steer-tasks.ts'

export function deleteCommand(run: CommandRun): Command {
  return steeringCommand(run, {
    action: 'delete',
    done: 'deleted',
    one: (manager, taskId, { actor }) => manager.deleteTask(taskId, { actor }),
  })
    .description('deletes finished tasks and their logs')
    .addHelpText(
      'after',
      examples(
        'delete task_0198c5a0f7e27c1a8b9d3e4f5a6b7c8d',
        'delete --status cancelled --created-before 2030-01-31T00:00:00Z',
      ),
    )
}
