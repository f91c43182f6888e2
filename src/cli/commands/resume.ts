import { Command } from 'commander'
import { type CommandRun, examples } from '../call.ts'
import { managerAction } from '../manager-call.ts'

export function resumeCommand(run: CommandRun): Command {
  return new Command('resume')
    .argument('<task-type>')
    .description('ends the pause of a task type')
    .addHelpText('after', examples('resume send_report'))
    .action(
      managerAction(run, async ({ call, manager }, taskType: string) => {
        const type = await manager.resumeTaskType(taskType, { actor: call.actor })
        call.print({ taskType, paused: type.paused }, () => `${taskType} is not paused`)
      }),
    )
}
