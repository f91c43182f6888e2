import type { AnyTask, JsonOf, ParamsOf, ResultOf, TypeOf } from '../contract/handler.ts'
import type { TaskDetail } from '../contract/task.ts'

/** Types of tasks by the handlers of the server: a list of handlers, or an object such as a module that exports them. */

/** One of the handlers. */
type HandlerOf<Handlers> = Extract<
  Handlers extends readonly (infer T)[] ? T : Handlers[keyof Handlers],
  AnyTask
>

/** The names of the types; any where no handlers are given. */
export type NameOf<Handlers> = unknown extends Handlers ? string : TypeOf<HandlerOf<Handlers>>

/** The handler with this name. */
type Named<Handlers, Name> =
  HandlerOf<Handlers> extends infer T
    ? T extends AnyTask
      ? TypeOf<T> extends Name
        ? T
        : never
      : never
    : never

/** A new task of one type, with its params, which may be left out where none is required. */
export type NewTaskOf<Handlers, Name, NewTask> = unknown extends Handlers
  ? NewTask
  : Omit<NewTask, 'taskType' | 'params'> & { taskType: Name } & ParamsField<ParamsOf<Named<Handlers, Name>>>

type ParamsField<Params> = Record<never, never> extends Params ? { params?: Params } : { params: Params }

/** A task in detail: its type determines its params and its result. */
export type DetailOf<Handlers, Name = NameOf<Handlers>> = unknown extends Handlers
  ? TaskDetail
  : Named<Handlers, Name> extends infer T
    ? T extends AnyTask
      ? TypedDetail<T>
      : never
    : never

type TypedDetail<T extends AnyTask> = Omit<TaskDetail, 'taskType' | 'params' | 'result'> & {
  /** Name of its type. */
  taskType: TypeOf<T>
  /** Its params, as the type's schema makes them and JSON keeps them. */
  params: string extends keyof Parameters<T>[0] ? TaskDetail['params'] : JsonOf<Parameters<T>[0]>
  /** What its handler returned, as JSON; null before it completed, or if it returned nothing. */
  result: JsonOf<ResultOf<T>> | null
}
