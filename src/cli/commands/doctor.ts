import { Command } from 'commander'
import { action, type CommandRun, examples } from '../call.ts'
import { diagnose } from '../doctor/diagnose.ts'
import type { Diagnosis } from '../doctor/illness.ts'
import { count } from '../output.ts'

export function doctorCommand(run: CommandRun): Command {
  return new Command('doctor')
    .summary('diagnoses the database and the processes, and suggests remedies')
    .description(
      'diagnoses the database and the processes that use it, and shows each illness with its evidence and its remedies, the safest first. It changes nothing, and exits with 1 if it finds one',
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
  const end = healthy ? 'no illness found' : `${count(illnesses.length, 'illness', 'illnesses')}`
  return [...parts, [...unseen, end].join('\n')].join('\n\n')
}
