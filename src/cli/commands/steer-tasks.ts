import { Command } from 'commander'
import { z } from 'zod'
import type { BulkAction, BulkResponse } from '../../contract/bulk.ts'
import { listTasksQuery } from '../../contract/requests.ts'
import type { Actor } from '../../engine/definition/actor.ts'
import { TaskError } from '../../engine/definition/errors.ts'
import type { TaskManager } from '../../engine/manager/manager.ts'
import type { CommandRun } from '../call.ts'
import { type ManagerCall, managerAction } from '../manager-call.ts'
import { count, oneLine } from '../output.ts'
import { addFilterOptions } from './filter-options.ts'

const filterOptions = listTasksQuery.omit({ page: true, pageSize: true, cursor: true })
const options = filterOptions.extend({ dryRun: z.boolean().default(false), from: z.string().optional() })

export interface Steering {
  readonly action: BulkAction
  /** What a task then is. */
  readonly done: string
  one(
    manager: TaskManager,
    taskId: string,
    options: { from: string | undefined; actor: Actor },
  ): Promise<unknown>
}

/** A command that changes the tasks with these ids, or those that its options select. */
export function steeringCommand(run: CommandRun, steering: Steering): Command {
  return addFilterOptions(new Command(steering.action))
    .argument('[task-id...]', 'or options that select at most 1,000 tasks, the newest ones')
    .option('--dry-run', 'shows what would happen, and changes nothing')
    .action(managerAction(run, (given, taskIds: string[]) => steer(given, steering, taskIds)))
}

async function steer(given: ManagerCall, steering: Steering, taskIds: string[]): Promise<void> {
  const { dryRun, from, ...filter } = given.call.options(options)
  const isFiltered = Object.values(filter).some((value) => value !== undefined)
  if (isFiltered === taskIds.length > 0) {
    const expected = 'name tasks by their ids, or select them by options such as --status'
    throw new TaskError('INVALID_ARGUMENT', `${expected}, ${isFiltered ? 'not both' : 'got neither'}`)
  }
  if (from !== undefined && (isFiltered || dryRun)) {
    throw new TaskError('INVALID_ARGUMENT', '--from needs task ids, and no --dry-run')
  }
  const { action } = steering
  const { actor } = given.call
  const response = isFiltered
    ? await given.manager.bulk({ action, filter, dryRun }, { actor })
    : dryRun
      ? await given.manager.bulk({ action, taskIds, dryRun }, { actor })
      : await steerEach(given, steering, taskIds, from)
  report(given, response, dryRun ? `would be ${steering.done}` : steering.done)
}

interface Steered {
  readonly results: (BulkResponse['results'][number] & { readonly message?: string })[]
  readonly more: boolean
}

async function steerEach(
  { manager, call: { actor } }: ManagerCall,
  { one }: Steering,
  taskIds: string[],
  from: string | undefined,
): Promise<Steered> {
  const results: Steered['results'] = []
  for (const taskId of taskIds) {
    try {
      await one(manager, taskId, { from, actor })
      results.push({ taskId, ok: true })
    } catch (error) {
      if (!(error instanceof TaskError)) throw error
      const { code, message } = error
      results.push({ taskId, ok: false, code, message })
    }
  }
  return { results, more: false }
}

function report({ call }: ManagerCall, { results, more }: Steered, done: string): void {
  const changed = results.filter(({ ok }) => ok)
  const others = results.filter(({ ok }) => !ok)
  call.print({ results, more }, () =>
    [
      ...changed.map(({ taskId }) => `${taskId} ${done}`),
      `${count(changed.length, 'task')} ${done}${more ? '; more match: run it again' : ''}`,
    ].join('\n'),
  )
  for (const { taskId, code, message = taskId } of others) call.notice(oneLine(`${code}: ${message}`))
  if (others.length > 0) call.fail()
}
