import { Argument, Command } from 'commander'
import { action, type CommandRun, examples } from '../call.ts'
import { bashCompletion, fishCompletion, zshCompletion } from '../completion-scripts.ts'

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }

export function completionCommand(run: CommandRun): Command {
  const command = new Command('completion')
  return command
    .addArgument(new Argument('<shell>').choices(Object.keys(SHELLS)))
    .description('prints a script with which a shell completes commands and options')
    .addHelpText('after', examples('completion bash >> ~/.bashrc', 'completion fish | source'))
    .action(
      action(run, async (_call, shell: keyof typeof SHELLS) => {
        run.out(SHELLS[shell](command.parent ?? command))
      }),
    )
}
