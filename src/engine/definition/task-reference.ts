import type { AnyTask, ParamsOf } from '../../contract/handler.ts'

export type {
  AnyTask,
  FailedTaskParams,
  FollowUpTask,
  JsonOf,
  ParamsOf,
  ResultOf,
  TaskBrand,
  TypeOf,
} from '../../contract/handler.ts'

/** Names a task type: its handler, or the type's name. */
export type TaskReference = AnyTask | string

/** The arguments after the task in `createTask`; params are optional only if none is required. */
export type CreateArguments<T, Options> =
  Record<never, never> extends ParamsOf<T>
    ? [params?: ParamsOf<T> | undefined, options?: Options]
    : [params: ParamsOf<T>, options?: Options]
