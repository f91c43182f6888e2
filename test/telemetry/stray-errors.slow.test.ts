import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'

interface Said {
  readonly taskId?: string
  readonly message?: string
  readonly logged?: string
  readonly fatal?: string
}

/** A process of tasks that leave errors behind, with what it has said since; ended with the test. */
async function startStray(...args: string[]) {
  const database = await createTestDatabase()
  const child: ChildProcess = fork(new URL('./stray-process.ts', import.meta.url), [database.url, ...args])
  const said: Said[] = []
  child.on('message', (message) => said.push(message as Said))
  const ended = once(child, 'exit')
  onTestFinished(async () => {
    child.kill()
    await ended
    await database.drop()
  })
  // How long a process takes to start is no part of what a test waits for.
  await once(child, 'message')
  return { database, child, said, ended }
}

test('an error that a task left behind is named and logged, and the process goes on; any other one ends it', async () => {
  const { database, child, said, ended } = await startStray()
  await expect
    .poll(() => said.flatMap(({ message }) => message ?? []).toSorted())
    .toEqual(['uncaughtException: thrown in a timer', 'unhandledRejection: rejected in a timer'])
  const { rows } = await database.pool.query(
    `select t.status, array_agg(l.message order by l.message) as lines
       from async_tasks t join async_task_logs l using (task_id) where task_id = $1 group by 1`,
    [said.find(({ taskId }) => taskId)?.taskId],
  )
  expect(rows).toEqual([
    {
      status: 'completed',
      lines: ['uncaughtException: thrown in a timer', 'unhandledRejection: rejected in a timer'],
    },
  ])
  child.send('throw')
  expect(await ended).toEqual([1, null])
  expect(said.at(-1)).toEqual({ fatal: 'Error: of nobody' })
})

test('what a task left behind is logged, and written to its log, without its secrets', async () => {
  const { said } = await startStray(' of "Ada"')
  await expect
    .poll(() => said.flatMap(({ message }) => message ?? []).toSorted())
    .toEqual([
      'uncaughtException: thrown in a timer[redacted]',
      'unhandledRejection: rejected in a timer[redacted]',
    ])
  expect(said.filter(({ logged }) => logged?.includes('in a timer[redacted]'))).toHaveLength(2)
  expect(JSON.stringify(said)).not.toContain('Ada')
})

test("what a handler's listener of its signal throws is the task's, and ends no process", async () => {
  const { said } = await startStray('aborted')
  await expect
    .poll(() => said.flatMap(({ message, fatal }) => message ?? fatal ?? []))
    .toEqual(['uncaughtException: thrown by a listener'])
})
