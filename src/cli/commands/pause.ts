import { Command } from 'commander'
import { type CommandRun, examples } from '../call.ts'
import { managerAction } from '../manager-call.ts'

export function pauseCommand(run: CommandRun): Command {
  return new Command('pause')
    .argument('<task-type>')
    .description('pauses a task type in all processes: none of its tasks starts, running ones go on')
    .addHelpText('after', examples('pause send_report'))
    .action(
      managerAction(run, async ({ call, manager }, taskType: string) => {
        const type = await manager.pauseTaskType(taskType, { actor: call.actor })
        call.print({ taskType, paused: type.paused }, () => `${taskType} is paused`)
      }),
    )
}
