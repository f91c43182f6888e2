import { Command } from 'commander'
import type { ScheduleView } from '../../contract/schedule.ts'
import { type CommandRun, examples } from '../call.ts'
import { managerAction } from '../manager-call.ts'
import { table } from '../output.ts'

export function schedulesCommand(run: CommandRun): Command {
  return new Command('schedules')
    .description('lists, runs, enables and disables schedules')
    .addCommand(listCommand(run))
    .addCommand(runCommand(run))
    .addCommand(switchCommand(run, true))
    .addCommand(switchCommand(run, false))
}

function listCommand(run: CommandRun): Command {
  return new Command('list')
    .description('lists the schedules by name')
    .addHelpText('after', examples('schedules list'))
    .action(
      managerAction(run, async ({ call, manager }) => {
        const schedules = await manager.listSchedules()
        call.print({ schedules }, () => describe(schedules))
      }),
    )
}

function runCommand(run: CommandRun): Command {
  return new Command('run')
    .argument('<name>')
    .description('creates a task of a schedule now, even if it is disabled')
    .addHelpText('after', examples('schedules run nightly'))
    .action(
      managerAction(run, async ({ call, manager }, name: string) => {
        const created = await manager.runSchedule(name, { actor: call.actor })
        call.print(created, () => `${created.taskId} created`)
      }),
    )
}

function switchCommand(run: CommandRun, enabled: boolean): Command {
  const verb = enabled ? 'enable' : 'disable'
  return new Command(verb)
    .argument('<name>')
    .description(enabled ? 'lets a schedule create tasks' : 'lets a schedule create no tasks')
    .addHelpText('after', examples(`schedules ${verb} nightly`))
    .action(
      managerAction(run, async ({ call, manager }, name: string) => {
        const schedule = await manager.updateSchedule(name, { enabled }, { actor: call.actor })
        call.print(schedule, () => `${name} is ${verb}d`)
      }),
    )
}

function describe(schedules: readonly ScheduleView[]): string {
  if (schedules.length === 0) return 'there is no schedule'
  return table(
    ['NAME', 'CRON', 'TIME ZONE', 'TYPE', 'ENABLED', 'NEXT', 'LAST', 'LAST ERROR'],
    schedules.map((one) => [
      ...[one.name, one.cron, one.timeZone, one.taskType, one.enabled ? 'yes' : 'no'],
      ...[one.nextRunAt, one.lastRunAt, one.lastError],
    ]),
  )
}
