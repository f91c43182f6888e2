import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { TaskContext } from './context.ts'
import { TaskError } from './errors.ts'
import { requireEnd, requireFollowUp } from './follow-up.ts'
import type { AnyParamsSchema, ParamsSchema } from './params-schema.ts'
import {
  defineTask,
  keepUnapplied,
  requireDefinitions,
  type Task,
  type TaskDefinition,
  type TaskHandler,
  type TaskOptions,
  type ThreadTaskOptions,
} from './task.ts'
import { checkTaskOptions } from './task-options.ts'
import type { AnyTask } from './task-reference.ts'

/** Registers the function that you pass as the handler, and returns the same function, typed. */
export type TaskDecorator<Schema extends AnyParamsSchema, Type extends string = string> = <Result>(
  handler: TaskHandler<StandardSchemaV1.InferOutput<Schema>, Result>,
) => Task<StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>, Result, Type>

/**
 * Registers the type, whose handler is the default export of its module. For the type of its result, name the type of
 * the module, `<typeof import('./resize.ts')>()`, which also checks the handler's params, or of the result itself.
 */
export type ThreadTaskDecorator<Schema extends AnyParamsSchema, Type extends string = string> = <
  Source = unknown,
>(
  ...problem: ThreadProblem<Source, StandardSchemaV1.InferOutput<Schema>>
) => Task<
  StandardSchemaV1.InferInput<Schema>,
  StandardSchemaV1.InferOutput<Schema>,
  ThreadResult<Source>,
  Type
>

/** Of a module's type, what its handler returns; any other type is that of the result. */
type ThreadResult<Source> = Source extends { default: (...args: never[]) => infer Result }
  ? Awaited<Result>
  : Source

/** An argument that nobody can give, where the module's handler does not take the params that the schema makes. */
type ThreadProblem<Source, Params> = Source extends { default: infer Handler }
  ? Handler extends (params: Params, ctx: TaskContext) => unknown
    ? []
    : [
        handlerTakesOtherParamsThanTheSchemaMakes: {
          'the default export of the module takes other params than the schema makes': never
        },
      ]
  : []

/** Task types and their handlers. An app takes a frozen copy at its start. */
export interface TaskRegistry {
  /**
   * Returns a function that registers the handler you pass to it. A thread handler takes no function: its module is in
   * the options.
   *
   * @param type the type's name: 1 … 100 letters, digits, `_`, `.`, `:` or `-`, the first a letter or digit
   * @throws TaskError `INVALID_ARGUMENT` for an invalid name or option, or `DUPLICATE_TASK_TYPE` if the registry has
   *   another handler for the type
   */
  task<Schema extends AnyParamsSchema = ParamsSchema, const Type extends string = string>(
    this: void,
    type: Type,
    options: ThreadTaskOptions<Schema>,
  ): ThreadTaskDecorator<Schema, Type>
  task<Schema extends AnyParamsSchema = ParamsSchema, const Type extends string = string>(
    this: void,
    type: Type,
    options?: TaskOptions<Schema>,
  ): TaskDecorator<Schema, Type>
  /** Adds handlers of other registries. @throws TaskError `INVALID_ARGUMENT`, `DUPLICATE_TASK_TYPE` */
  add(...tasks: readonly AnyTask[]): void
  /** The handlers and options by type. */
  definitions(): ReadonlyMap<string, TaskDefinition>
}

/** Creates a registry that is independent of all others, with its own `task()`. Pass it to the plugin as `registry`. */
export function createTaskRegistry(): TaskRegistry {
  const byType = new Map<string, TaskDefinition>()

  const requireFree = (type: string, handler: unknown): void => {
    const present = byType.get(type)
    if (present && present.handler !== handler) {
      throw new TaskError(
        'DUPLICATE_TASK_TYPE',
        `task type '${type}' already has another handler in this registry`,
      )
    }
  }
  const register = (definition: TaskDefinition): void => {
    requireFree(definition.type, definition.handler)
    requireEnd(definition.type, definition.followUp, byType)
    byType.set(definition.type, definition)
  }

  const task = (type: string, options: TaskOptions | ThreadTaskOptions = {}) => {
    checkTaskOptions(type, options)
    const { onFailed } = options
    const followUp = onFailed === undefined ? undefined : requireFollowUp(type, onFailed, byType)
    const decorate = (given?: TaskHandler) => {
      const handler = 'run' in options && options.run === 'thread' ? threadHandler(type, given) : given
      // Before the function is bound: a refused one must stay a plain function.
      requireFree(type, handler)
      requireEnd(type, followUp, byType)
      register(defineTask(type, options, handler as TaskHandler, followUp))
      return handler
    }
    keepUnapplied(decorate, type)
    return decorate
  }

  return {
    // The definition loses the params' type; the schema restores it before each run.
    task: task as unknown as TaskRegistry['task'],
    add(...tasks) {
      for (const handler of tasks) requireDefinitions(handler).forEach(register)
    },
    definitions: () => byType,
  }
}

function threadHandler(type: string, given: unknown): TaskHandler {
  if (given !== undefined) {
    throw new TaskError(
      'INVALID_ARGUMENT',
      `task('${type}', { run: 'thread' }) takes no handler: it is the default export of its module`,
    )
  }
  return async () => {
    throw new TypeError('a thread handler runs only in an executor; call its module in a unit test')
  }
}

export const defaultRegistry: TaskRegistry = createTaskRegistry()

/**
 * Registers a handler for a task type in the default registry:
 * `export const sendReport = task('send_report', { params })(async (params, ctx) => { … })`.
 *
 * @throws TaskError `INVALID_ARGUMENT`, `DUPLICATE_TASK_TYPE`
 */
export const task: TaskRegistry['task'] = defaultRegistry.task
