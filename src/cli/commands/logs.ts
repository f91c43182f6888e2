import { Command } from 'commander'
import { z } from 'zod'
import { listLogsQuery, MAX_PAGE_SIZE } from '../../contract/requests.ts'
import { LOG_LEVELS, type TaskLogLine } from '../../contract/task.ts'
import { type CommandRun, examples } from '../call.ts'
import { type ManagerCall, managerAction } from '../manager-call.ts'
import { oneLine } from '../output.ts'

const options = listLogsQuery.pick({ level: true }).extend({ follow: z.boolean().default(false) })

export function logsCommand(run: CommandRun): Command {
  return new Command('logs')
    .argument('<task-id>')
    .description('prints the log of a task, with --json a line of JSON each')
    .option('--level <level>', `lines of this level alone: ${LOG_LEVELS.join(', ')}`)
    .option('--follow', 'goes on until the task has ended')
    .addHelpText('after', examples('logs --follow task_0198c5a0f7e27c1a8b9d3e4f5a6b7c8d'))
    .action(
      managerAction(run, async (given, taskId: string) => {
        const { follow, level } = given.call.options(options)
        const lines = follow ? followLines(given, taskId) : storedLines(given, taskId)
        for await (const line of lines) {
          if (level === undefined || line.level === level) given.call.printLine(line, () => describe(line))
        }
      }),
    )
}

async function* storedLines({ manager, call }: ManagerCall, taskId: string): AsyncGenerator<TaskLogLine> {
  let afterId = 0
  while (!call.signal.aborted) {
    const { logs } = await manager.listLogs(taskId, { afterId, pageSize: MAX_PAGE_SIZE, total: false })
    yield* logs
    afterId = logs.at(-1)?.id ?? 0
    if (logs.length < MAX_PAGE_SIZE) return
  }
}

async function* followLines({ manager, call }: ManagerCall, taskId: string): AsyncGenerator<TaskLogLine> {
  for await (const event of manager.watch(taskId, { signal: call.signal })) {
    if (event.type === 'log') yield event.line
    if (event.type === 'end') call.notice(`${taskId} is ${event.task.status}`)
  }
}

function describe({ createdAt, level, message, data }: TaskLogLine): string {
  const more = data === undefined ? '' : ` ${JSON.stringify(data)}`
  return `${createdAt.toISOString()} ${level.padEnd(7)} ${oneLine(message + more)}`
}
