import { Command } from 'commander'
import { action, type CommandRun, examples } from '../call.ts'
import { diagnose } from '../doctor/diagnose.ts'
import type { Diagnosis } from '../doctor/illness.ts'
import { count } from '../output.ts'

export function doctorCommand(run: CommandRun): Command {
  return new Command('doctor')
    .summary('looks for what is ill in the database and the processes, and says what helps')
    .description(
      'looks for what is ill in the database and the processes that use it, and says what was seen and what helps, the safest first. It changes nothing, and ends with 1 if something is ill',
    )
    .addHelpText('after', examples('doctor', 'doctor --json'))
    .action(
      action(run, async (call) => {
        const found = await diagnose(call)
        if (!found.healthy) call.fail()
        call.print(found, () => describe(found))
      }),
    )
}

function describe({ healthy, illnesses, notChecked }: Diagnosis): string {
  const parts = illnesses.map(({ code, evidence, remedies }) =>
    [
      code,
      `  seen    ${evidence}`,
      ...remedies.map((remedy, i) => `  ${i === 0 ? 'remedy' : 'or    '}  ${remedy}`),
    ].join('\n'),
  )
  const unseen = notChecked.map((what) => `not checked: ${what}`)
  const end = healthy ? 'nothing is ill' : `${count(illnesses.length, 'illness', 'illnesses')}`
  return [...parts, [...unseen, end].join('\n')].join('\n\n')
}
