import type { LogLevel, TaskDetail } from '../contract/task.ts'
import type { Transaction } from '../db/query-runner.ts'
import { requireCreateOptions, requireKnownKeys, requireValid, taskItem } from '../engine/create/arguments.ts'
import type { LogData, TaskContext } from '../engine/definition/context.ts'
import type { CreatedTask, CreateTaskOptions } from '../engine/definition/create-options.ts'
import { TaskError } from '../engine/definition/errors.ts'
import { readLogCall } from '../engine/definition/log-call.ts'
import { anyParams, prepareParams, restoreParams } from '../engine/definition/params.ts'
import { checkCount } from '../engine/definition/progress.ts'
import { taskSettings } from '../engine/definition/settings.ts'
import { requireDefinitions, type TaskDefinition, type TaskHandler } from '../engine/definition/task.ts'
import type {
  AnyTask,
  JsonOf,
  ParamsOf,
  ResultOf,
  TaskReference,
} from '../engine/definition/task-reference.ts'
import { encodeResult } from '../engine/executor/attempt/result.ts'
import { runningTask } from '../engine/executor/attempt/running-task.ts'
import { findModule, loadHandler } from '../engine/executor/thread/handler-module.ts'
import { newDetail } from '../engine/store/rows.ts'
import { GivenSteps } from './given-steps.ts'

/** Options of `runTask`. */
export interface RunTaskOptions {
  /** One of the handler's types, if it has several. */
  type?: string
  /** The attempt's number, `ctx.attempt`. Default 1. */
  attempt?: number
  /** The handler's `ctx.signal`, to simulate a cancel, a timeout or a stop. Default: never aborts. */
  signal?: AbortSignal
  /** The transaction, such as a fake, that `ctx.guard` and `ctx.complete` accept without a database. Default: none. */
  tx?: Transaction
  /** Results of steps that earlier attempts have finished, by name; of a sleep that is over, null. Default: none. */
  steps?: Readonly<Record<string, unknown>>
}

/** The result, error and output of a handler. */
export interface TaskRun<Result> {
  /** The result as it would be stored, null if there is none; undefined if the handler threw. */
  readonly result: Result | null | undefined
  /** What the handler threw. */
  readonly error?: unknown
  /** Every line of `ctx.log`. */
  readonly logs: readonly RunLogLine[]
  /** Every call of `ctx.progress`. */
  readonly progress: readonly RunProgress[]
  /** Every call of `ctx.createTask`, with checked params. */
  readonly created: readonly CreatedInRun[]
  /** The steps that this run has finished, in that order. */
  readonly steps: readonly RunStep[]
  /** The sleep that suspended the run, and how long it lasts. There is neither a result nor an error then. */
  readonly sleep?: {
    /** Its name. */
    readonly name: string
    /** Milliseconds until the next attempt is due. */
    readonly delayMs: number
  }
}

/** A step that a handler finished in `runTask`. */
export interface RunStep {
  /** Its name. */
  name: string
  /** Its result, as it would be stored. */
  result: unknown
}

/** A line that a handler logged in `runTask`. */
export interface RunLogLine {
  /** `WARNING` is that of `ctx.log.warn`. */
  level: LogLevel
  /** Its text. */
  message: string
  /** Its fields; undefined: none. */
  data: LogData | undefined
}

/** A call of `ctx.progress` in `runTask`, as it was made. */
export interface RunProgress {
  /** What has been done. */
  current: number
  /** Out of this; undefined: not given. */
  total: number | undefined
  /** The current step; undefined: not given. */
  step: string | undefined
}

/** A task that a handler created in `runTask`. */
export interface CreatedInRun {
  /** Name of its type. */
  readonly taskType: string
  /** As they would be stored. */
  readonly params: TaskDetail['params']
  /** As the handler gave them. */
  readonly options: Omit<CreateTaskOptions, 'createdBy'>
}

/**
 * Runs one handler in this process, without a database. Params and result pass through JSON as for a real task, and the
 * context records its calls. If the handler throws, the promise resolves with `error`.
 *
 * @throws TaskError `INVALID_PARAMS` as `createTask`, or `INVALID_ARGUMENT` for a function that is not a task
 */
export async function runTask<T extends AnyTask>(
  task: T,
  params: ParamsOf<T>,
  options: RunTaskOptions = {},
): Promise<TaskRun<JsonOf<ResultOf<T>>>> {
  requireKnownKeys('runTask options', options, ['type', 'attempt', 'signal', 'tx', 'steps'])
  const definition = requireDefinition(task, options.type)
  const given = await toStored(definition, params)
  const record = new Recorder(definition.type, options)
  const { maxResultBytes } = taskSettings.parse({})
  const run = { taskId: record.context.taskId, taskType: definition.type, attempt: record.context.attempt }
  try {
    const handler = await findHandler(definition)
    const returned = await runningTask.run({ event: run }, () => handler(given, record.context))
    await record.steps.idle()
    if (record.steps.sleeping) return { ...record.recorded, result: undefined, sleep: record.steps.sleeping }
    const result = record.completed ? record.completed.result : returned
    const text = encodeResult(result, maxResultBytes, (line) => record.context.log.warn(line))
    return { ...record.recorded, result: text === null ? null : JSON.parse(text) }
  } catch (error) {
    await record.steps.idle()
    if (record.steps.sleeping) return { ...record.recorded, result: undefined, sleep: record.steps.sleeping }
    return { ...record.recorded, result: undefined, error }
  }
}

/** The context of one run, which records its calls. */
class Recorder {
  readonly recorded = {
    logs: [] as RunLogLine[],
    progress: [] as RunProgress[],
    created: [] as CreatedInRun[],
    steps: [] as { name: string; result: unknown }[],
  }
  readonly steps: GivenSteps
  readonly context: TaskContext
  completed: { readonly result: unknown } | undefined
  readonly #tx: Transaction | undefined

  constructor(taskType: string, options: RunTaskOptions) {
    const { attempt = 1, signal = new AbortController().signal, tx } = options
    this.#tx = tx
    const fence = { taskId: 'task_inline', attempt, executorId: '' }
    const warn = (line: string) => this.context.log.warn(line)
    this.steps = new GivenSteps({
      fence,
      signal,
      given: options.steps ?? {},
      finished: this.recorded.steps,
      warn,
    })
    const runner = this.steps.runner
    const write = (level: LogLevel) => (first: unknown, second?: unknown) =>
      void this.recorded.logs.push({ level, ...readLogCall(first, second) })
    this.context = {
      taskId: fence.taskId,
      taskType,
      attempt,
      signal,
      log: { debug: write('DEBUG'), info: write('INFO'), warn: write('WARNING'), error: write('ERROR') },
      progress: (current, total, step) => {
        checkCount('current', current)
        if (total !== undefined) checkCount('total', total)
        this.recorded.progress.push({ current, total, step })
      },
      createTask: (reference, ...[params, options = {}]) => this.#create(reference, params, options),
      guard: async (given) => this.#requireTx('guard', given),
      complete: async (given, result) => {
        this.#requireTx('complete', given)
        this.completed = { result }
      },
      step: (name, run, options = {}) => {
        if (typeof run !== 'function' || options?.tx === undefined) return runner.step(name, run, options)
        const { tx: _database, ...others } = options
        // A fake, of whatever type the test gives it. A finished step needs none.
        return runner.step(name, () => run(this.#requireGiven('step with tx') as never), others)
      },
      sleep: runner.sleep,
    }
  }

  async #create(
    task: TaskReference,
    params: unknown,
    options: Omit<CreateTaskOptions, 'createdBy'>,
  ): Promise<CreatedTask> {
    const { tx: _tx, ...checked } = requireCreateOptions<CreateTaskOptions>(options)
    requireValid('task options', taskItem, checked)
    const definition = typeof task === 'string' ? undefined : requireDefinition(task)
    const taskType = definition?.type ?? String(task)
    const stored = await toStored(definition ?? { type: taskType, options: {} }, params ?? {})
    // JSON, since it has been stored and read.
    const made = { taskType, params: stored as TaskDetail['params'], options }
    this.recorded.created.push(made)
    return toCreated(made, this.recorded.created.length)
  }

  #requireTx(method: string, given: Transaction): void {
    if (this.#tx === undefined || given !== this.#tx) this.#refuse(method)
  }

  #requireGiven(method: string): Transaction {
    return this.#tx ?? this.#refuse(method)
  }

  #refuse(method: string): never {
    throw new TaskError(
      'INVALID_ARGUMENT',
      `ctx.${method} needs a database: pass the transaction, or a fake of it, to runTask as tx, or use drainTasks`,
    )
  }
}

function toCreated({ taskType, params, options }: CreatedInRun, position: number): CreatedTask {
  const now = new Date()
  const { runAt, delayMs = 0, maxRetries = 0, timeoutSeconds = 0, priority = 0 } = options
  const { uniqueKey = null, onDuplicate, concurrencyKey = null, expiresAt = null } = options
  const detail = newDetail(
    {
      ...{ taskId: `task_inline${position}`, taskType, createdBy: null },
      ...{ maxRetries, timeoutSeconds, priority, uniqueKey, concurrencyKey, expiresAt },
    },
    { createdAt: now, runAt: runAt ?? new Date(now.getTime() + delayMs) },
    params,
  )
  return { ...detail, created: true, ...(onDuplicate === 'replace' && { replaced: false }) }
}

/** Params as a handler gets them: parsed, stored as JSON, and parsed again. */
async function toStored(
  { type, options }: Pick<TaskDefinition, 'type' | 'options'>,
  params: unknown,
): Promise<Record<string, unknown>> {
  const schema = options.params ?? anyParams
  const { maxParamsBytes } = taskSettings.parse({})
  const stored = await prepareParams(type, schema, params, maxParamsBytes)
  return restoreParams(type, schema, Object.fromEntries(stored))
}

function requireDefinition(task: AnyTask, type?: string): TaskDefinition {
  const all = requireDefinitions(task).filter((definition) => type === undefined || definition.type === type)
  const [definition] = all
  if (definition && all.length === 1) return definition
  const problem = definition ? 'handles several types: name one as type' : `has no type '${type}'`
  throw new TaskError('INVALID_ARGUMENT', `'${task.name}' ${problem}`)
}

/** For a thread handler the default export of its module, which runs in this thread. */
async function findHandler({ handler, options }: TaskDefinition): Promise<TaskHandler> {
  const { module } = options
  if (!module) return handler
  return loadHandler(findModule(module))
}
