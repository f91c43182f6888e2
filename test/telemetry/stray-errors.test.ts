import { fork } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'

test('an error that a task left behind is named and logged, and the process goes on; any other one ends it', async () => {
  const database = await createTestDatabase()
  const child = fork(new URL('./stray-process.ts', import.meta.url), [database.url])
  const said: { taskId?: string; message?: string; fatal?: string }[] = []
  child.on('message', (message: (typeof said)[number]) => {
    if (!('logged' in message)) said.push(message)
  })
  await expect
    .poll(() => said.map(({ message }) => message).toSorted())
    .toEqual(['uncaughtException: thrown in a timer', 'unhandledRejection: rejected in a timer'])
  const { rows } = await database.pool.query(
    `select t.status, array_agg(l.message order by l.message) as lines
       from async_tasks t join async_task_logs l using (task_id) where task_id = $1 group by 1`,
    [said[0]?.taskId],
  )
  expect(rows).toEqual([
    {
      status: 'completed',
      lines: ['uncaughtException: thrown in a timer', 'unhandledRejection: rejected in a timer'],
    },
  ])
  const ended = once(child, 'exit')
  child.send('throw')
  expect(await ended).toEqual([1, null])
  expect(said.at(-1)).toEqual({ fatal: 'Error: of nobody' })
  await database.drop()
})

test('what a task left behind is logged, and written to its log, without its secrets', async () => {
  const database = await createTestDatabase()
  const child = fork(new URL('./stray-process.ts', import.meta.url), [database.url, ' of "Ada"'])
  const said: { message?: string; logged?: string }[] = []
  child.on('message', (message) => said.push(message as (typeof said)[number]))
  await expect
    .poll(() => said.flatMap(({ message }) => message ?? []).toSorted(), { timeout: 20_000 })
    .toEqual([
      'uncaughtException: thrown in a timer[redacted]',
      'unhandledRejection: rejected in a timer[redacted]',
    ])
  expect(said.filter(({ logged }) => logged?.includes('in a timer[redacted]'))).toHaveLength(2)
  expect(JSON.stringify(said)).not.toContain('Ada')
  child.kill()
  await once(child, 'exit')
  await database.drop()
})

test("what a handler's listener of its signal throws is the task's, and ends no process", async () => {
  const database = await createTestDatabase()
  const child = fork(new URL('./stray-process.ts', import.meta.url), [database.url, 'aborted'])
  const said: { message?: string; fatal?: string }[] = []
  child.on('message', (message) => said.push(message as (typeof said)[number]))
  await expect
    .poll(() => said.flatMap(({ message, fatal }) => message ?? fatal ?? []), { timeout: 20_000 })
    .toEqual(['uncaughtException: thrown by a listener'])
  child.kill()
  await once(child, 'exit')
  await database.drop()
})
