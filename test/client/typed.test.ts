import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import {
  type AnyTasksClient,
  type CreatedTask,
  createTasksClient,
  type TaskDetail,
  type TasksClient,
  taskStatusQueryOptions,
} from '../../src/client/index.ts'
import type { TasksClientProvider } from '../../src/client/react/index.ts'
import { createTaskRegistry } from '../../src/index.ts'

/** What the compiler promises to those who name their handlers. `tsc` checks this file. */

const { task } = createTaskRegistry()
const sendReport = task('send_report', {
  params: z.object({ userId: z.number().int(), dryRun: z.boolean().default(false) }),
})(async ({ userId }) => ({ rows: userId, at: new Date() }))
const plain = task('plain')(() => {})
const handlers = [sendReport, plain] as const
const asObject = { sendReport, plain, notAHandler: 7 }

declare const client: TasksClient<typeof handlers>
declare const anyClient: TasksClient

describe('a client of known handlers', () => {
  test('creates their tasks, with their params', () => {
    const neverCalled = async () => {
      const created = await client.createTask({ taskType: 'send_report', params: { userId: 7 }, priority: 1 })
      expectTypeOf(created.taskType).toEqualTypeOf<'send_report'>()
      expectTypeOf(created.params).toEqualTypeOf<{ userId: number; dryRun: boolean }>()
      expectTypeOf(created.created).toEqualTypeOf<boolean>()
      await client.createTask({ taskType: 'plain' })
      await client.createTask({ taskType: 'plain', params: { whatever: 1 } })
      // @ts-expect-error there is no such type
      await client.createTask({ taskType: 'send_reports', params: { userId: 7 } })
      // @ts-expect-error params of another type
      await client.createTask({ taskType: 'send_report', params: { userId: '7' } })
      // @ts-expect-error params are missing
      await client.createTask({ taskType: 'send_report' })
      // @ts-expect-error an unknown param
      await client.createTask({ taskType: 'send_report', params: { userId: 7, nope: 1 } })
      // @ts-expect-error a misspelt option
      await client.createTask({ taskType: 'plain', prioritiy: 1 })
    }
    expect(neverCalled).toBeTypeOf('function')
  })

  test('knows the result of a task by its type', () => {
    const neverCalled = async () => {
      const found = await client.getTask('task_1')
      expectTypeOf(found.taskType).toEqualTypeOf<'send_report' | 'plain'>()
      expectTypeOf(found.status).toEqualTypeOf<TaskDetail['status']>()
      if (found.taskType === 'send_report') {
        expectTypeOf(found.result).toEqualTypeOf<{ rows: number; at: string } | null>()
        expectTypeOf(found.params.userId).toEqualTypeOf<number>()
      } else expectTypeOf(found.result).toEqualTypeOf<null>()
      for await (const event of client.watch('task_1')) {
        if (event.type !== 'end' || event.task.taskType !== 'send_report') continue
        expectTypeOf(event.task.result?.rows).toEqualTypeOf<number | undefined>()
        // @ts-expect-error the handler returns no such field
        expectTypeOf(event.task.result?.columns).toBeAny()
      }
      expectTypeOf((await client.cancelTask('task_1')).taskType).toEqualTypeOf<'send_report' | 'plain'>()
      expectTypeOf((await client.retryTask('task_1')).taskType).toEqualTypeOf<'send_report' | 'plain'>()
    }
    expect(neverCalled).toBeTypeOf('function')
  })

  test('takes an object of handlers as well as a list', () => {
    const neverCalled = async () => {
      const ofObject = createTasksClient<typeof asObject>({ baseUrl: '/api/admin' })
      await ofObject.createTask({ taskType: 'send_report', params: { userId: 7 } })
      // @ts-expect-error not one of the handlers
      await ofObject.createTask({ taskType: 'notAHandler' })
      const list = [sendReport, plain]
      const ofList = createTasksClient<typeof list>({ baseUrl: '/api/admin' })
      expectTypeOf((await ofList.getTask('task_1')).taskType).toEqualTypeOf<'send_report' | 'plain'>()
    }
    expect(neverCalled).toBeTypeOf('function')
  })

  test('is a client, for hooks too', () => {
    const neverCalled = (provide: typeof TasksClientProvider) => {
      const same: AnyTasksClient = client
      provide({ client, children: null })
      return [same, taskStatusQueryOptions(client, 'task_1')]
    }
    expect(neverCalled).toBeTypeOf('function')
  })
})

test('a client without handlers takes any task', () => {
  const neverCalled = async () => {
    expectTypeOf(
      await anyClient.createTask({ taskType: 'elsewhere', params: { whatever: 1 } }),
    ).toEqualTypeOf<CreatedTask>()
    expectTypeOf(await anyClient.getTask('task_1')).toEqualTypeOf<TaskDetail>()
  }
  expect(neverCalled).toBeTypeOf('function')
})
