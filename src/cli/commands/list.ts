import { Command } from 'commander'
import { listTasksQuery } from '../../contract/requests.ts'
import type { TaskList, TaskSummary } from '../../contract/task.ts'
import { type CommandRun, examples } from '../call.ts'
import { managerAction } from '../manager-call.ts'
import { table } from '../output.ts'
import { addFilterOptions, parseNumber } from './filter-options.ts'

/** By cursor alone, which costs the same for any page. */
const query = listTasksQuery.omit({ page: true })

export function listCommand(run: CommandRun): Command {
  return addFilterOptions(new Command('list'))
    .description('lists tasks, newest first')
    .option('--page-size <number>', 'tasks of a page, 1 to 200. Default: 50', parseNumber)
    .option('--cursor <cursor>', 'that of the page before')
    .addHelpText('after', examples('list --status failed --status cancelled', 'list --task-type send_report'))
    .action(
      managerAction(run, async ({ call, manager }) => {
        const found = await manager.listTasks(call.options(query))
        call.print(found, () => describe(found))
      }),
    )
}

export function tasksTable(tasks: readonly TaskSummary[]): string {
  return table(
    ['TASK', 'TYPE', 'STATUS', 'PROGRESS', 'CREATED', 'ERROR'],
    tasks.map((task) => [
      ...[task.taskId, task.taskType, task.status],
      ...[`${task.percent} %`, task.createdAt, (task.error ?? '').slice(0, 80)],
    ]),
  )
}

function describe({ tasks, total, totalIsEstimate, nextCursor }: TaskList): string {
  const all = `${tasks.length} of ${total}${totalIsEstimate ? '+' : ''}`
  const next = nextCursor === null ? '' : `; the next ones: --cursor ${nextCursor}`
  return tasks.length === 0 ? 'no task matches' : `${tasksTable(tasks)}\n\n${all}${next}`
}
