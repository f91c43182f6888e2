import type { z } from 'zod'
import { TaskError } from './errors.ts'
import {
  type AnyTask,
  defineTask,
  keepUnapplied,
  type ParamsSchema,
  requireDefinitions,
  type Task,
  type TaskDefinition,
  type TaskHandler,
  type TaskOptions,
  type ThreadTaskOptions,
} from './task.ts'
import { checkTaskOptions } from './task-options.ts'

/** Applied to a function, registers it and returns that same function. */
export type TaskDecorator<Schema extends ParamsSchema, Type extends string = string> = <Result>(
  handler: TaskHandler<z.output<Schema>, Result>,
) => Task<z.input<Schema>, z.output<Schema>, Result, Type>

/** Types and their handlers. An app takes a frozen copy at its start. */
export interface TaskRegistry {
  /**
   * The decorator that registers a handler here.
   *
   * @throws TaskError `DUPLICATE_TASK_TYPE` when another function handles this type already
   */
  task<Schema extends ParamsSchema = ParamsSchema, const Type extends string = string>(
    this: void,
    type: Type,
    options: ThreadTaskOptions<Schema>,
  ): () => Task<z.input<Schema>, z.output<Schema>, unknown, Type>
  task<Schema extends ParamsSchema = ParamsSchema, const Type extends string = string>(
    this: void,
    type: Type,
    options?: TaskOptions<Schema>,
  ): TaskDecorator<Schema, Type>
  /** Adds handlers that were registered elsewhere. */
  add(...tasks: readonly AnyTask[]): void
  definitions(): ReadonlyMap<string, TaskDefinition>
}

/** Makes a registry that shares nothing with any other, with a `task` of its own. */
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
    byType.set(definition.type, definition)
  }

  const task = (type: string, options: TaskOptions | ThreadTaskOptions = {}) => {
    checkTaskOptions(type, options)
    const decorate = (given?: TaskHandler) => {
      const handler =
        'run' in options && options.run === 'thread' ? threadHandler(type, options, given) : given
      // Before the function is bound to the type: one that is refused must stay a plain function.
      requireFree(type, handler)
      register(defineTask(type, options, handler as TaskHandler))
      return handler
    }
    keepUnapplied(decorate, type)
    return decorate
  }

  return {
    // The definition forgets the params' type; the schema brings it back before each run.
    task: task as unknown as TaskRegistry['task'],
    add(...tasks) {
      for (const handler of tasks) requireDefinitions(handler).forEach(register)
    },
    definitions: () => byType,
  }
}

/** A handler that runs a module in a thread. Threads are loaded when the first one runs. */
function threadHandler(type: string, { module }: ThreadTaskOptions, given: unknown): TaskHandler {
  if (given !== undefined) {
    throw new TaskError(
      'INVALID_ARGUMENT',
      `task('${type}', { run: 'thread' }) takes no handler: it is the default export of its module`,
    )
  }
  return async (params, ctx) => {
    const { runInThread } = await import('../executor/thread/run-in-thread.ts')
    return runInThread(module, params, ctx)
  }
}

/** Where `task()` registers. */
export const defaultRegistry: TaskRegistry = createTaskRegistry()

/**
 * Registers a handler for a type, decorator-style, in the default registry:
 * `export const sendReport = task('send_report', { params })(async (params, ctx) => { … })`.
 */
export const task: TaskRegistry['task'] = defaultRegistry.task
