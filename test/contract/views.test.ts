import { expectTypeOf, test } from 'vitest'
import type { z } from 'zod'
import type { BulkResponse, bulkAnswer, bulkBody } from '../../src/contract/bulk.ts'
import type {
  BulkRequest,
  LogQuery,
  NewScheduleRequest,
  NewTask,
  ScheduleChangeRequest,
  TaskChangeRequest,
  TaskQuery,
} from '../../src/contract/given.ts'
import type { Problem, problem } from '../../src/contract/problem.ts'
import type {
  changeTaskBody,
  createTaskBody,
  listLogsQuery,
  listTasksQuery,
} from '../../src/contract/requests.ts'
import type {
  changeScheduleBody,
  createScheduleBody,
  ScheduleView,
  scheduleView,
} from '../../src/contract/schedule.ts'
import type {
  CallerView,
  Credentials,
  callerView,
  loginBody,
  SessionView,
  sessionView,
  UserView,
} from '../../src/contract/session.ts'
import type { TaskStats, taskStats } from '../../src/contract/stats.ts'
import type {
  ExecutorView,
  executorView,
  TaskAttempt,
  TaskDetail,
  TaskList,
  TaskLogPage,
  TaskSummary,
  TaskTypeView,
  taskAttempt,
  taskDetail,
  taskList,
  taskLogPage,
  taskSummary,
  taskTypeView,
} from '../../src/contract/task.ts'

/** The compiler checks this file: types with docs are written out, and have to be those of their schemas. */

/** What a schema takes: what has a default may be left out, instants are dates. */
type Given<S extends z.ZodType> = {
  [K in keyof z.input<S>]: K extends keyof z.output<S> ? z.output<S>[K] : never
}

type Whole<T> = { [K in keyof T]-?: Exclude<T[K], undefined> }

test('views have the types of their schemas', () => {
  expectTypeOf<TaskSummary>().toEqualTypeOf<z.output<typeof taskSummary>>()
  expectTypeOf<TaskAttempt>().toEqualTypeOf<z.output<typeof taskAttempt>>()
  expectTypeOf<TaskDetail>().toEqualTypeOf<z.output<typeof taskDetail>>()
  expectTypeOf<TaskList>().toEqualTypeOf<z.output<typeof taskList>>()
  expectTypeOf<TaskLogPage>().toEqualTypeOf<z.output<typeof taskLogPage>>()
  expectTypeOf<TaskTypeView>().toEqualTypeOf<z.output<typeof taskTypeView>>()
  expectTypeOf<ExecutorView>().toEqualTypeOf<z.output<typeof executorView>>()
  expectTypeOf<TaskStats>().toEqualTypeOf<z.output<typeof taskStats>>()
  expectTypeOf<ScheduleView>().toEqualTypeOf<z.output<typeof scheduleView>>()
  expectTypeOf<BulkResponse>().toEqualTypeOf<z.output<typeof bulkAnswer>>()
  expectTypeOf<CallerView>().toEqualTypeOf<z.output<typeof callerView>>()
  expectTypeOf<UserView>().toEqualTypeOf<z.output<typeof sessionView>['user']>()
  expectTypeOf<SessionView>().toEqualTypeOf<z.output<typeof sessionView>>()
  expectTypeOf<Problem>().toEqualTypeOf<z.output<typeof problem>>()
})

test('requests have the types of their schemas', () => {
  expectTypeOf<NewTask>().toEqualTypeOf<Given<typeof createTaskBody>>()
  expectTypeOf<TaskChangeRequest>().toEqualTypeOf<Given<typeof changeTaskBody>>()
  expectTypeOf<Whole<TaskQuery>>().toEqualTypeOf<Whole<Given<typeof listTasksQuery>>>()
  expectTypeOf<Whole<LogQuery>>().toEqualTypeOf<Whole<Given<typeof listLogsQuery>>>()
  expectTypeOf<NewScheduleRequest>().toEqualTypeOf<Given<typeof createScheduleBody>>()
  expectTypeOf<ScheduleChangeRequest>().toEqualTypeOf<Given<typeof changeScheduleBody>>()
  expectTypeOf<BulkRequest>().toEqualTypeOf<Given<typeof bulkBody>>()
  expectTypeOf<Credentials>().toEqualTypeOf<z.output<typeof loginBody>>()
})
