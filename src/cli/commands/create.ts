import { Command } from 'commander'
import { createTaskBody, ON_DUPLICATE } from '../../contract/requests.ts'
import { CHANGED_INTEGER, findChangedIntegers } from '../../engine/definition/changed-integers.ts'
import type { CreatedTask } from '../../engine/definition/create-options.ts'
import { TaskError } from '../../engine/definition/errors.ts'
import { type CommandRun, examples } from '../call.ts'
import { managerAction } from '../manager-call.ts'
import { parseNumber } from './filter-options.ts'

export function createCommand(run: CommandRun): Command {
  return new Command('create')
    .argument('<task-type>')
    .argument('[params]', 'a JSON object', '{}')
    .summary('creates a task')
    .description(
      "creates a task. Params are checked where it runs; retries, timeout and priority are the engine's defaults, not those of the type",
    )
    .option('--max-retries <number>', 'attempts after the first. Default: 3', parseNumber)
    .option('--timeout-seconds <number>', 'run time of an attempt. Default: 14400', parseNumber)
    .option('--priority <number>', '-100 to 100, higher first. Default: 0', parseNumber)
    .option('--run-at <instant>', 'earliest start, such as 2030-01-31T00:00:00Z')
    .option('--delay-ms <number>', 'milliseconds from now until the earliest start', parseNumber)
    .option('--expires-at <instant>', 'latest start')
    .option('--unique-key <key>', 'at most one unfinished task has it')
    .option('--on-duplicate <what>', `if an unfinished task has the key: ${ON_DUPLICATE.join(', ')}`)
    .option('--max-delay-ms <number>', 'how long replacements may put it off', parseNumber)
    .addHelpText('after', examples(`create send_report '{"userId":7}' --priority 10`))
    .action(
      managerAction(run, async ({ call, manager }, type: string, params: string) => {
        const body = call.options(createTaskBody, { taskType: type, params: parseParams(params) })
        const { taskType, params: object, ...options } = body
        const created = await manager.createTask(taskType, object, { ...options, actor: call.actor })
        call.print(created, () => describe(created))
      }),
    )
}

function parseParams(text: string): unknown {
  const { params, changed } = readJson(text)
  if (changed === undefined) return params
  throw new TaskError('INVALID_ARGUMENT', `params: ${changed} ${CHANGED_INTEGER}`)
}

function readJson(text: string): { params: unknown; changed: string | undefined } {
  try {
    return { params: JSON.parse(text), changed: findChangedIntegers(text).find((pointer) => pointer !== '') }
  } catch (error) {
    throw new TaskError('INVALID_ARGUMENT', `params must be a JSON object: ${(error as Error).message}`)
  }
}

function describe({ taskId, created, replaced }: CreatedTask): string {
  if (created) return `${taskId} created`
  return `${taskId} has the unique key already${replaced ? ', and was replaced' : ''}`
}
