import { fork } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { rememberTypes } from '../support/remember-types.ts'

test('10,000 creates with 100 keys by 20 callers in 2 processes make 100 tasks', {
  timeout: 240_000,
}, async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  await rememberTypes(database.pool, 'elsewhere')
  const answers = await Promise.all(['left', 'right'].map((name) => createIn(name, database.url)))
  const { rows } = await database.pool.query<{ task_id: string }>('select task_id from async_tasks')
  expect(rows).toHaveLength(100)
  const found = answers.flatMap(({ taskIds }) => taskIds)
  expect(new Set(found)).toEqual(new Set(rows.map((row) => row.task_id)))
  expect(answers.reduce((sum, { created }) => sum + created, 0)).toBe(100)
  expect(answers.reduce((sum, { asked }) => sum + asked, 0)).toBe(10_000)
  const params = await database.pool.query('select from async_task_params')
  expect(params.rowCount).toBe(100)
})

interface Answer {
  readonly asked: number
  readonly created: number
  readonly taskIds: string[]
}

async function createIn(name: string, url: string): Promise<Answer> {
  const child = fork(new URL('./unique-key-process.ts', import.meta.url), [name, url])
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  const answered = once(child, 'message')
  const failed = ended.then(([code]) => Promise.reject(new Error(`${name} ended with ${code} and no answer`)))
  const [answer] = (await Promise.race([answered, failed])) as [Answer]
  expect(await ended).toEqual([0, null])
  return answer
}
