import type { CreatedTask, CreateTaskOptions, NewTaskItem } from '../definition/create-options.ts'
import { requireDefinitions } from '../definition/task.ts'
import type { AnyTask, CreateArguments, TypeOf } from '../definition/task-reference.ts'
import type { TaskManager } from './manager.ts'

type ReferenceOf<T extends AnyTask> = T | TypeOf<T>

type Meant<T extends AnyTask, R> = R extends string
  ? T extends unknown
    ? TypeOf<T> extends R
      ? T
      : never
    : never
  : R

type ItemOf<T extends AnyTask> = T extends unknown
  ? Omit<NewTaskItem<T>, 'task'> & { task: T | TypeOf<T> }
  : never

/** A manager typed for a fixed list of handlers: other type names and params do not compile. */
export interface TypedTasks<T extends AnyTask>
  extends Omit<{ [Key in keyof TaskManager]: TaskManager[Key] }, 'createTask' | 'createTasks'> {
  /** As `TaskManager.createTask`, for these types. */
  createTask<const R extends ReferenceOf<T>>(
    task: R,
    ...rest: CreateArguments<Meant<T, R>, CreateTaskOptions>
  ): Promise<CreatedTask>
  /** As `TaskManager.createTasks`, for these types. */
  createTasks<const Items extends readonly ItemOf<T>[]>(
    items: Items,
    options?: Pick<CreateTaskOptions, 'tx' | 'actor'>,
  ): Promise<{ [Index in keyof Items]: CreatedTask }>
}

/**
 * Returns the same manager, typed for a fixed list of handlers: `typedTasks(app.tasks, [sendReport, resize])`.
 *
 * @throws TaskError `INVALID_ARGUMENT` for a function that was not registered with `task()`
 */
export function typedTasks<const T extends readonly AnyTask[]>(
  manager: TaskManager,
  handlers: T,
): TypedTasks<T[number]> {
  handlers.forEach(requireDefinitions)
  return manager as unknown as TypedTasks<T[number]>
}
