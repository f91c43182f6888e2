import { z } from 'zod'
import { createTaskBody, listTasksQuery, MAX_PAGE_SIZE } from '../../contract/requests.ts'
import { LOG_LEVELS, TASK_STATUSES } from '../../contract/task.ts'
import { CHANGED_INTEGER } from '../../engine/definition/changed-integers.ts'
import { TaskError, taskNotFound } from '../../engine/definition/errors.ts'
import { findPausedTypes } from '../../engine/store/task-types.ts'
import { requireInput } from '../call.ts'
import { diagnose } from '../doctor/diagnose.ts'
import type { ManagerCall } from '../manager-call.ts'

/** What an assistant may call. */
export interface Tool {
  readonly name: string
  readonly description: string
  readonly writes: boolean
  readonly input: z.ZodRawShape
  run(args: Record<string, unknown>): Promise<unknown>
}

/** Checks the arguments by the same schema that describes them. */
function tool<Shape extends z.ZodRawShape>(
  name: string,
  description: string,
  input: Shape,
  run: (args: z.output<z.ZodObject<Shape>>) => Promise<unknown>,
): Tool {
  const schema = z.object(input)
  return { name, description, writes: false, input, run: async (args) => run(schema.parse(args)) }
}

const taskId = z.string().describe('Id of a task, such as task_0198c5a0f7e27c1a8b9d3e4f5a6b7c8d')
const taskType = z.string().describe('Name of a task type')

export interface Permissions {
  readonly allowWrites: boolean
  /** Results have params, and what may hold values of them. */
  readonly withParams: boolean
}

export function toolsOf(given: ManagerCall, { allowWrites, withParams }: Permissions): Tool[] {
  const writing = allowWrites ? writeTools(given).map((one) => ({ ...one, writes: true })) : []
  const tools = [...readTools(given), ...writing]
  if (withParams) return tools
  return tools.map((one) => ({ ...one, run: async (args) => withoutParams(await one.run(args)) }))
}

/** What `redact` hides where a type is registered, and stacks. */
const LEFT_OUT = new Set([
  ...['params', 'paramsPreview', 'result', 'stack', 'steps'],
  ...['uniqueKey', 'concurrencyKey'],
])

/** The same for the records in a result's lists. */
function withoutParams(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutParams)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([key]) => !LEFT_OUT.has(key))
  return Object.fromEntries(
    kept.map(([key, value]) => [key, Array.isArray(value) ? withoutParams(value) : value]),
  )
}

function readTools({ manager, db, call }: ManagerCall): Tool[] {
  return [
    tool('doctor', 'Illnesses of the database and the processes, with evidence and remedies', {}, () =>
      diagnose(call),
    ),
    tool('status', 'Counts of tasks by status and type, executors, and paused types', {}, async () => ({
      stats: await manager.stats(),
      executors: await manager.listExecutors(),
      paused: [...(await findPausedTypes(db))],
    })),
    tool(
      'list_tasks',
      'Tasks, newest first',
      {
        status: z.array(z.enum(TASK_STATUSES)).optional(),
        taskType: taskType.optional(),
        q: z.string().optional().describe("A task id's beginning, or a part of a type"),
        createdAfter: z.string().optional().describe('Such as 2030-01-31T00:00:00Z'),
        createdBefore: z.string().optional(),
        pageSize: z.number().optional().describe(`1 to ${MAX_PAGE_SIZE}`),
        cursor: z.string().optional().describe('nextCursor of the page before'),
      },
      (args) => manager.listTasks(requireInput(listTasksQuery, args)),
    ),
    tool(
      'show_task',
      'A task with its attempts; with --with-params also its params, result and steps',
      { taskId },
      async (args) => {
        const task = await manager.getTask(args.taskId)
        if (!task) throw taskNotFound(args.taskId)
        return task
      },
    ),
    tool(
      'task_log',
      "Lines of a task's log, newest first",
      { taskId, level: z.enum(LOG_LEVELS).optional() },
      (args) => manager.listLogs(args.taskId, { level: args.level, order: 'desc', pageSize: MAX_PAGE_SIZE }),
    ),
    tool('list_schedules', 'All schedules, by name', {}, async () => ({
      schedules: await manager.listSchedules(),
    })),
  ]
}

function writeTools({ manager, call: { actor } }: ManagerCall): Tool[] {
  return [
    tool(
      'create_task',
      'Creates a task',
      {
        taskType,
        params: z.record(z.string(), z.unknown()).optional(),
        runAt: z.string().optional().describe('Earliest start, such as 2030-01-31T00:00:00Z'),
        uniqueKey: z.string().optional().describe('At most one unfinished task has it'),
      },
      async (args) => {
        const { taskType: type, params, ...options } = requireInput(createTaskBody, args)
        requireExact(params)
        await manager.requireTaskType(type)
        return manager.createTask(type, params, { ...options, actor })
      },
    ),
    tool('cancel_task', 'Cancels a pending or running task', { taskId }, (args) =>
      manager.cancelTask(args.taskId, { actor }),
    ),
    tool('retry_task', 'Makes a finished task pending again', { taskId }, (args) =>
      manager.retryTask(args.taskId, { actor }),
    ),
    tool('delete_task', 'Deletes a finished task and its log', { taskId }, async (args) => {
      await manager.deleteTask(args.taskId, { actor })
      return { deleted: args.taskId }
    }),
    tool('pause_type', 'Keeps all processes from starting tasks of a type', { taskType }, (args) =>
      manager.pauseTaskType(args.taskType, { actor }),
    ),
    tool('resume_type', 'Ends the pause of a type', { taskType }, (args) =>
      manager.resumeTaskType(args.taskType, { actor }),
    ),
    tool('run_schedule', 'Creates a task of a schedule now', { name: z.string() }, (args) =>
      manager.runSchedule(args.name, { actor }),
    ),
  ]
}

/** Its client has read the digits as a number already, and may have changed them. */
function requireExact(params: unknown): void {
  JSON.stringify(params, (key, value: unknown) => {
    if (Number.isInteger(value) && !Number.isSafeInteger(value))
      throw new TaskError('INVALID_ARGUMENT', `params: ${JSON.stringify(key)} ${CHANGED_INTEGER}`)
    return value
  })
}
