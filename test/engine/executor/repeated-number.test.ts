import { expect, test } from 'vitest'
import type { TaskContext } from '../../../src/engine/definition/context.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskOptions } from '../../../src/engine/definition/task.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import { createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()
// Heartbeats are not to find the loss before the run returns.
const calm = { heartbeatIntervalMs: 20_000, leaseMs: 60_000, pollIntervalMs: 50, concurrency: 3 }

type Ends = Readonly<Record<string, (ctx: TaskContext) => unknown>>

const ends: Ends = {
  'returns a result': () => 'of the first',
  'returns nothing': () => undefined,
  'reports progress and returns': (ctx) => ctx.progress(7, 9, 'first'),
  throws: () => {
    throw new Error('the first is broken')
  },
}

/** A run of the first task holds row 1, loses it, and the second task runs as row 1 in the same executor. */
async function repeatNumber(
  end: (ctx: TaskContext) => unknown,
  options: Pick<TaskOptions, 'globalConcurrency'>,
) {
  const { task } = createTaskRegistry()
  const gates = [createGate(), createGate()] as const
  const first = task(
    'first',
    options,
  )(async (_params, ctx) => {
    await gates[0].opened
    return end(ctx)
  })
  const second = task(
    'second',
    options,
  )(async () => {
    await gates[1].opened
    return 'of the second'
  })
  const engine = engines.start([first, second], calm)
  const run = async (definition: AnyTask, type: string) => {
    const started = nextEvent(engine.events, 'started', ({ taskType }) => taskType === type)
    await engine.manager.createTask(definition)
    return (await started).taskId
  }
  const { pool } = engines.database
  const lost = await run(first, 'first')
  const { rows } = await pool.query('select id from async_tasks where task_id = $1', [lost])
  await pool.query('delete from async_tasks where task_id = $1', [lost])
  await pool.query(`alter table async_tasks alter column id restart with ${rows[0].id}`)
  const taskId = await run(second, 'second')
  const readRow = async () =>
    (await pool.query('select * from async_tasks where task_id = $1', [taskId])).rows[0]
  expect(await readRow()).toMatchObject({ id: rows[0].id, attempt: 1, status: 'running' })
  return { ...engine, lost, taskId, gates, readRow }
}

for (const [name, options] of Object.entries({ plain: {}, limited: { globalConcurrency: 2 } })) {
  for (const [what, end] of Object.entries(ends)) {
    test(`a ${name} run that ${what} changes no task that was given its row's number`, async () => {
      const { events, manager, lost, taskId, gates, readRow } = await repeatNumber(end, options)
      const before = await readRow()
      const late = nextEvent(events, 'late', (event) => event.taskId === lost)
      gates[0].open()
      await late
      expect(await readRow()).toEqual(before)
      gates[1].open()
      expect(await manager.waitFor(taskId)).toMatchObject({
        status: 'completed',
        result: 'of the second',
        retryCount: 0,
        progress: 0,
        step: null,
        attempts: [{ attempt: 1, outcome: 'completed' }],
      })
    })
  }

  test(`of two ${name} runs that end together as the same row, each keeps its own end`, async () => {
    const { events, manager, lost, taskId, gates } = await repeatNumber(() => 'of the first', options)
    const late = nextEvent(events, 'late', (event) => event.taskId === lost)
    gates[1].open()
    gates[0].open()
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: 'of the second' })
    await late
  })
}
