import { Command } from 'commander'
import { z } from 'zod'
import { partsOf } from '../../engine/create/manager-parts.ts'
import { TaskError } from '../../engine/definition/errors.ts'
import type { TaskDefinition } from '../../engine/definition/task.ts'
import { Pruner } from '../../engine/maintenance/pruner.ts'
import { AuditTrail } from '../../engine/manager/audit-trail.ts'
import { type CommandRun, examples } from '../call.ts'
import { type ManagerCall, managerAction } from '../manager-call.ts'
import { count } from '../output.ts'
import { parseNumber } from './filter-options.ts'

const options = z.strictObject({
  olderThanDays: z.number().min(0).max(36_499),
  taskType: z.array(z.string()).optional(),
})

/** The retention of a type whose tasks are kept. */
const FOREVER_DAYS = 36_500

export function pruneCommand(run: CommandRun): Command {
  return new Command('prune')
    .summary('deletes tasks that ended so many days ago')
    .description(
      'deletes, in small batches, tasks that ended before the given number of days, and at least a minute ago; ignores the retention of their types',
    )
    .requiredOption('--older-than-days <days>', 'such as 7, or 0.5', parseNumber)
    .option('--task-type <type>', 'a type; repeatable. Default: all', (type, all: string[] = []) => [
      ...all,
      type,
    ])
    .addHelpText('after', examples('prune --older-than-days 7 --task-type send_report'))
    .action(
      managerAction(run, async (given) => {
        const pruned = await prune(given, given.call.options(options))
        given.call.print({ pruned }, () => `${count(pruned, 'task')} deleted`)
      }),
    )
}

async function prune(
  { manager, call }: ManagerCall,
  { olderThanDays, taskType: chosen }: z.output<typeof options>,
): Promise<number> {
  const { db, settings, events } = partsOf(manager)
  const { byType } = await manager.stats()
  const definitions = new Map<string, Pick<TaskDefinition, 'options'>>()
  for (const { taskType } of byType) {
    const retentionDays = (chosen?.includes(taskType) ?? true) ? olderThanDays : FOREVER_DAYS
    definitions.set(taskType, { options: { retentionDays } })
  }
  let pruned = 0
  events.on('pruned', (event) => {
    pruned += event.count
  })
  const pruner = new Pruner({
    db,
    settings: { ...settings, retentionDays: FOREVER_DAYS, auditRetentionDays: FOREVER_DAYS },
    definitions,
    events,
  })
  const change = { actor: call.actor, action: 'task.prune', subject: chosen?.join(', ') ?? null } as const
  const audit = new AuditTrail({ db, events })
  return audit.run(change, async () => {
    const isDone = await pruner.prune(call.signal)
    if (!isDone) {
      throw new TaskError('TASK_BUSY', 'another process is deleting old tasks: try again when it has ended')
    }
    await audit.record([{ ...change, outcome: 'ok' }])
    return pruned
  })
}
