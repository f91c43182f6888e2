import type pg from 'pg'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import {
  type AsyncTasksOptions,
  type CreatedTask,
  type CreateTaskOptions,
  createTaskRegistry,
  defineSchedule,
  type NewTaskItem,
  type ParamsOf,
  type ResultOf,
  type ScheduleOptions,
  type ScheduleView,
  type TaskContext,
  type TaskManager,
  typedTasks,
} from '../src/index.ts'

/** What the compiler promises to those who write handlers: `tsc` checks this file. */

/** Holds what only the compiler looks at, such as what must not compile. */
function compiles(neverCalled: () => unknown): void {
  expect(neverCalled).toBeTypeOf('function')
}

const { task } = createTaskRegistry()

const sendReport = task('send_report', {
  params: z.object({ userId: z.number().int(), dryRun: z.boolean().default(false) }),
})(async (params, ctx) => {
  expectTypeOf(params).toEqualTypeOf<{ userId: number; dryRun: boolean }>()
  expectTypeOf(ctx).toEqualTypeOf<TaskContext>()
  expectTypeOf(ctx.signal).toEqualTypeOf<AbortSignal>()
  ctx.progress(1, 10, 'collecting')
  ctx.log.info('collecting', { userId: params.userId })
  return { rows: params.userId, asked: ctx.taskId }
})

const plain = task('plain')((params) => {
  expectTypeOf(params).toEqualTypeOf<Record<string, unknown>>()
})

const remind = task('remind', { params: z.object({ at: z.coerce.date() }) })(({ at }) => at.getTime())

declare const ctx: TaskContext
declare const manager: TaskManager

describe('task()', () => {
  test('returns the function, to be called like any other', async () => {
    const context = {
      taskId: 'task_1',
      progress: () => {},
      log: { info: () => {} },
    } as unknown as TaskContext
    const answer = await sendReport({ userId: 7, dryRun: false }, context)
    expectTypeOf(answer).toEqualTypeOf<{ rows: number; asked: string }>()
    expect(answer).toEqual({ rows: 7, asked: 'task_1' })
    expect(remind({ at: new Date(5) }, context)).toBe(5)
  })

  test('knows what is left of the result of a step', () => {
    const tx = {} as { tx: pg.Pool }
    const never = async () => {
      const found = await ctx.step('find', (client) => client.query<{ at: Date }>('select now() as at'), tx)
      expectTypeOf(found).toEqualTypeOf<{
        command: string
        rowCount: number | null
        rows: { at: string }[]
      }>()
      const own = await ctx.step('parse', () => ({ rows: [1], fields: ['a'], rowCount: 1 }))
      expectTypeOf(own).toEqualTypeOf<{ rows: number[]; fields: string[]; rowCount: number }>()
    }
    expect(never).toBeTypeOf('function')
  })

  test('knows params and result', () => {
    expectTypeOf<ParamsOf<typeof sendReport>>().toEqualTypeOf<{
      userId: number
      dryRun?: boolean | undefined
    }>()
    expectTypeOf<ResultOf<typeof sendReport>>().toEqualTypeOf<{ rows: number; asked: string }>()
    expectTypeOf<ResultOf<typeof remind>>().toEqualTypeOf<number>()
    expectTypeOf<ParamsOf<typeof plain>>().toEqualTypeOf<Record<string, unknown>>()
    expectTypeOf<ParamsOf<'elsewhere'>>().toEqualTypeOf<Record<string, unknown>>()
    expectTypeOf<ResultOf<'elsewhere'>>().toEqualTypeOf<unknown>()
  })

  test('takes params of an interface', () =>
    compiles(async () => {
      interface Order {
        id: number
        note?: string
      }
      const params: z.ZodType<Order, Order> = z.object({ id: z.int(), note: z.string().exactOptional() })
      const ship = task('ship', {
        params,
        rateLimit: { max: 1, perSeconds: 1, key: ({ id }) => String(id) },
      })((order) => order)
      expectTypeOf<ParamsOf<typeof ship>>().toEqualTypeOf<Order>()
      await manager.createTask(ship, { id: 7 })
      // @ts-expect-error of another type
      await manager.createTask(ship, { id: '7' })
      expectTypeOf((await manager.waitFor('task_1', { task: ship })).result).toEqualTypeOf<{
        id: number
        note?: string
      } | null>()
    }))

  test('refuses what does not fit', () =>
    compiles(() => {
      // @ts-expect-error a schema of params makes an object
      task('bad', { params: z.string() })
      // @ts-expect-error a misspelt option
      task('bad', { timeout: 5 })
      // @ts-expect-error the handler takes other params than the schema makes
      task('bad', { params: z.object({ a: z.string() }) })((params: { a: number }) => params)
      // @ts-expect-error params are missing
      void sendReport({ userId: 7 }, ctx)
      // @ts-expect-error a plain function was never passed to task()
      createTaskRegistry().add(() => 1)
    }))
})

describe('createTask', () => {
  test('takes the params of its task', () =>
    compiles(async () => {
      expectTypeOf(await manager.createTask(sendReport, { userId: 7 })).toEqualTypeOf<CreatedTask>()
      await manager.createTask(sendReport, { userId: 7, dryRun: true }, { priority: 5, runAt: new Date() })
      await manager.createTask(plain)
      await manager.createTask(plain, { whatever: [1] })
      await manager.createTask('elsewhere', { whatever: null })
      await ctx.createTask(sendReport, { userId: 7 }, { priority: 1 })
    }))

  test('refuses what does not fit', () =>
    compiles(async () => {
      // @ts-expect-error of another type
      await manager.createTask(sendReport, { userId: '7' })
      // @ts-expect-error a required param is missing
      await manager.createTask(sendReport)
      // @ts-expect-error incomplete
      await manager.createTask(sendReport, {})
      // @ts-expect-error unknown
      await manager.createTask(sendReport, { userId: 7, nope: 1 })
      // @ts-expect-error no object
      await manager.createTask('elsewhere', [1])
      // @ts-expect-error a misspelt option
      await manager.createTask(plain, {}, { prioritiy: 1 })
      // @ts-expect-error a plain function was never passed to task()
      await manager.createTask(() => 1, {})
      // @ts-expect-error of another type, from inside a handler
      await ctx.createTask(sendReport, { userId: '7' })
      // @ts-expect-error who asked is whoever asked for the parent
      await ctx.createTask(plain, {}, { createdBy: 'me' })
    }))
})

/** With every option that may be left out given as undefined. */
type Lenient<T> = {
  [Key in keyof T]: Record<never, never> extends Pick<T, Key> ? T[Key] | undefined : T[Key]
}

test('options of the plugin and of a new task may be undefined, also with exactOptionalPropertyTypes', () =>
  compiles(() => {
    // `prefix` has the type that Fastify gives it.
    expectTypeOf<Lenient<Omit<AsyncTasksOptions, 'prefix'>>>().toExtend<AsyncTasksOptions>()
    expectTypeOf<Lenient<CreateTaskOptions>>().toExtend<CreateTaskOptions>()
    expectTypeOf<Lenient<NewTaskItem<'any'>>>().toExtend<NewTaskItem<'any'>>()
  }))

describe('createTasks', () => {
  test('takes the params of each task', () =>
    compiles(async () => {
      const [first] = await manager.createTasks([
        { task: sendReport, params: { userId: 7 }, priority: 3 },
        { task: plain },
        { task: 'elsewhere', params: { whatever: 1 } },
      ])
      expectTypeOf(first).toEqualTypeOf<CreatedTask>()
      const ids = [1, 2, 3]
      const many = await manager.createTasks(ids.map((userId) => ({ task: sendReport, params: { userId } })))
      expectTypeOf(many).toEqualTypeOf<CreatedTask[]>()
    }))

  test('refuses what does not fit', () =>
    compiles(async () => {
      // @ts-expect-error of another type
      await manager.createTasks([{ task: plain }, { task: sendReport, params: { userId: '7' } }])
      // @ts-expect-error a misspelt option
      await manager.createTasks([{ task: plain, prioritiy: 1 }])
      const ids = ['1', '2']
      // @ts-expect-error of another type, made one by one
      await manager.createTasks(ids.map((userId) => ({ task: sendReport, params: { userId } })))
    }))
})

describe('schedules', () => {
  const daily = { name: 'a', cron: '@daily' }

  test('take the params of their task', () =>
    compiles(async () => {
      const created = await manager.createSchedule({ ...daily, task: sendReport, params: { userId: 7 } })
      expectTypeOf(created).toEqualTypeOf<ScheduleView>()
      await manager.createSchedule({ ...daily, task: plain })
      await manager.createSchedule({ ...daily, task: 'elsewhere', params: { whatever: 1 }, missed: 'all' })
      await manager.updateSchedule('a', { task: sendReport, params: { userId: 8 }, enabled: false })
      await manager.updateSchedule('a', { params: { whatever: 1 } })
      const listed: ScheduleOptions[] = [
        defineSchedule({ ...daily, task: sendReport, params: { userId: 7 } }),
      ]
      await manager.declareSchedules(listed)
    }))

  test('refuse what does not fit', () =>
    compiles(async () => {
      // @ts-expect-error of another type
      await manager.createSchedule({ ...daily, task: sendReport, params: { userId: '7' } })
      // @ts-expect-error required params are missing
      await manager.createSchedule({ ...daily, task: sendReport })
      // @ts-expect-error a misspelt option
      await manager.createSchedule({ ...daily, task: plain, timezone: 'UTC' })
      // @ts-expect-error there is no such policy
      await manager.createSchedule({ ...daily, task: plain, missed: 'twice' })
      // @ts-expect-error of another type
      await manager.updateSchedule('a', { task: sendReport, params: { userId: '8' } })
      // @ts-expect-error of another type
      defineSchedule({ ...daily, task: sendReport, params: { userId: '7' } })
    }))
})

describe('a closed set of handlers', () => {
  const closed = () => typedTasks(manager, [sendReport, plain, remind])

  test('takes their names and themselves, with their params', () =>
    compiles(async () => {
      const tasks = closed()
      expectTypeOf(await tasks.createTask('send_report', { userId: 7 })).toEqualTypeOf<CreatedTask>()
      await tasks.createTask(sendReport, { userId: 7 }, { priority: 1 })
      await tasks.createTask('plain')
      await tasks.createTask('remind', { at: '2026-01-01' }, { uniqueKey: 'k' })
      const [first] = await tasks.createTasks([
        { task: 'send_report', params: { userId: 7 } },
        { task: plain, params: { whatever: 1 } },
        { task: 'plain' },
      ])
      expectTypeOf(first).toEqualTypeOf<CreatedTask>()
      expectTypeOf(tasks.getTask).toEqualTypeOf<TaskManager['getTask']>()
    }))

  test('refuses what does not fit', () =>
    compiles(async () => {
      const tasks = closed()
      const other = task('other')(() => 1)
      // @ts-expect-error a name that none of them has
      await tasks.createTask('send_reports', { userId: 7 })
      // @ts-expect-error some text
      await tasks.createTask(String('plain'))
      // @ts-expect-error a handler that is none of them
      await tasks.createTask(other)
      // @ts-expect-error params of another type
      await tasks.createTask('send_report', { userId: '7' })
      // @ts-expect-error params are missing
      await tasks.createTask('send_report')
      // @ts-expect-error unknown params
      await tasks.createTask('send_report', { userId: 7, nope: 1 })
      // @ts-expect-error a misspelt option
      await tasks.createTask('plain', {}, { prioritiy: 1 })
      // @ts-expect-error a name that none of them has, among others
      await tasks.createTasks([{ task: 'plain' }, { task: 'nope' }])
      // @ts-expect-error params of another type, among others
      await tasks.createTasks([{ task: 'plain' }, { task: 'send_report', params: { userId: '7' } }])
    }))

  test('is the same manager, and takes handlers alone', () => {
    const same = {} as TaskManager
    expect(typedTasks(same, [sendReport])).toBe(same)
    expect(() => typedTasks(same, [(() => 1) as never])).toThrow(/never passed to task/)
  })
})

describe('onFailed', () => {
  test('takes a handler of what a failed task leaves, or of a part of it', () =>
    compiles(() => {
      const whole = { taskId: z.string(), taskType: z.string(), error: z.string(), attempts: z.int() }
      const params = z.object({ userId: z.int() })
      task('a', { onFailed: task('b', { params: z.object({ ...whole, params }) })(() => {}) })(() => {})
      task('c', { onFailed: task('d', { params: z.object({ taskId: z.string() }) })(() => {}) })(() => {})
      task('e', { onFailed: plain })(() => {})
      // @ts-expect-error a follow-up has no userId
      task('f', { onFailed: sendReport })
      // @ts-expect-error no registered handler
      task('g', { onFailed: () => {} })
    }))
})

describe('events', () => {
  test('have the type of what they tell', () =>
    compiles(() => {
      const remove = manager.on('failed', (event) => {
        expectTypeOf(event.error).toEqualTypeOf<string>()
        expectTypeOf(event.durationMs).toEqualTypeOf<number | undefined>()
        // @ts-expect-error read-only
        event.error = 'x'
        // @ts-expect-error of another event
        expectTypeOf(event.retryInMs).toBeAny()
      })
      expectTypeOf(remove).toEqualTypeOf<() => void>()
      manager.on('retrying', async ({ retryInMs }) => expectTypeOf(retryInMs).toEqualTypeOf<number>())
      typedTasks(manager, [sendReport]).on('created', ({ taskType }) => taskType)
      // @ts-expect-error no such event
      manager.on('ended', () => {})
    }))
})

describe('a result', () => {
  const odd = task('odd')(() => ({
    at: new Date(),
    list: [1, undefined],
    gone: undefined,
    call: () => 1,
    maybe: 'x' as string | undefined,
    deep: { big: true },
    bytes: new Uint8Array(2),
    file: Buffer.from('x'),
  }))

  test('has the type of what its handler returns, once that has been JSON', () =>
    compiles(async () => {
      const report = await manager.waitFor('task_1', { task: sendReport, timeoutMs: 5 })
      expectTypeOf(report.result).toEqualTypeOf<{ rows: number; asked: string } | null>()
      expectTypeOf((await manager.waitFor('task_1', { task: remind })).result).toEqualTypeOf<number | null>()
      expectTypeOf((await manager.waitFor('task_1', { task: plain })).result).toEqualTypeOf<null>()
      expectTypeOf((await manager.waitFor('task_1', { task: odd })).result).toEqualTypeOf<{
        at: string
        list: (number | null)[]
        maybe?: string
        deep: { big: boolean }
        bytes: number[]
        file: { type: 'Buffer'; data: number[] }
      } | null>()
      // @ts-expect-error of another shape
      expectTypeOf(report.result?.columns).toBeAny()
    }))

  test('that was declared refuses another shape', () =>
    compiles(() => {
      task('count')<{ rows: number }>(() => ({ rows: 7 }))
      // @ts-expect-error the handler returns another result than it says
      task('count')<{ rows: number }>(() => ({ rows: '7' }))
      // @ts-expect-error and so does one that returns nothing
      task('count')<{ rows: number }>(() => {})
    }))
})
