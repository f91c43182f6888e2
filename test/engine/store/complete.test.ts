import { expect, test } from 'vitest'
import { completeTasks } from '../../../src/engine/store/finish.ts'
import { writeProgress } from '../../../src/engine/store/output.ts'
import { inStatus, SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()
const OTHER_EXECUTOR = '00000000-0000-4000-8000-000000000002'

test('many runs end in one statement, each under its own fence, whatever their order', async () => {
  const { db } = tables.createManager()
  const running = { ...inStatus('running'), executor_id: SOME_EXECUTOR }
  const insert = async (columns = {}) => {
    const taskId = await tables.insert({ ...running, ...columns })
    const row = await tables.row(taskId)
    return { taskId, id: String(row?.id), before: row }
  }
  const first = await insert({ attempt: 3, progress: 4, total: 10 })
  const stale = await insert({ attempt: 2 })
  const foreign = await insert({ attempt: 1, executor_id: OTHER_EXECUTOR })
  const cancelled = await insert({ ...inStatus('cancelled'), attempt: 1, executor_id: SOME_EXECUTOR })
  const last = await insert({ attempt: 1, error_message: 'of an attempt before' })
  const bystander = await insert({ attempt: 1 })

  const run = (of: { id: string; taskId: string }, attempt: number, result: string | null) => {
    return { id: of.id, taskId: of.taskId, attempt, result, last: undefined }
  }
  const written = await completeTasks(db, SOME_EXECUTOR, [
    { ...run(last, 1, '"last"'), last: { progress: 5, total: 9, step: 'end' } },
    run(foreign, 1, '1'),
    run(first, 3, null),
    run(stale, 1, '2'),
    run(cancelled, 1, '3'),
  ])
  expect(written).toEqual([true, false, true, false, false])

  expect(await tables.row(last.taskId)).toMatchObject({
    status: 'completed',
    result: '"last"',
    progress: 9,
    total: 9,
    step: 'end',
    error_message: null,
  })
  expect(await tables.row(first.taskId)).toMatchObject({
    status: 'completed',
    result: null,
    progress: 10,
    total: 10,
  })
  for (const { taskId, before } of [stale, foreign, cancelled, bystander]) {
    expect(await tables.row(taskId)).toEqual(before)
  }
})

test.each([
  [0, 1],
  [1, 0],
])('progress of an earlier attempt does not become that of the one that runs (%i, %i)', async (...order) => {
  const { db } = tables.createManager()
  const taskId = await tables.insert({ ...inStatus('running'), executor_id: SOME_EXECUTOR, attempt: 2 })
  const run = { taskId, executorId: SOME_EXECUTOR, total: 100 }
  const updates = [
    { ...run, attempt: 1, progress: 90, step: 'lost' },
    { ...run, attempt: 2, progress: 10, step: 'runs' },
  ]
  const ends = await writeProgress(
    db,
    SOME_EXECUTOR,
    order.flatMap((i) => updates[i] ?? []),
  )
  expect(Object.fromEntries(ends)).toEqual({ [`${taskId} 1`]: 'lost', [`${taskId} 2`]: 'written' })
  expect(await tables.row(taskId)).toMatchObject({ progress: 10, total: 100, step: 'runs' })
})
