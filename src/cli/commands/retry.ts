import type { Command } from 'commander'
import { type CommandRun, examples } from '../call.ts'
import { steeringCommand } from './steer-tasks.ts'

export function retryCommand(run: CommandRun): Command {
  return steeringCommand(run, {
    action: 'retry',
    done: 'pending again',
    one: (manager, taskId, { from, actor }) =>
      manager.retryTask(taskId, { actor, ...(from !== undefined && { from }) }),
  })
    .description('makes finished tasks pending again, with all their retries')
    .option('--from <step>', "'start': forgets all steps; the name of a step: it and all after it")
    .addHelpText(
      'after',
      examples(
        'retry task_0198c5a0f7e27c1a8b9d3e4f5a6b7c8d --from start',
        'retry --status failed --task-type send_report --dry-run',
      ),
    )
}
