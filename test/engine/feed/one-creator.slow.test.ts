import { describe, expect, onTestFinished, test } from 'vitest'
import { PRUNE_START, pruneStep } from '../../../src/engine/store/prune.ts'
import { DELAYED, quick, useAllTasksViewer } from './all-tasks-viewer.ts'

const watcher = useAllTasksViewer()
const { engines, watch, crowd } = watcher

describe('a viewer of one creator', () => {
  test.each(['a,b', '{a}', '"', '\\', ' ', 'NULL', 'null', "'; drop"])(
    'is shown its running tasks, whatever it is called: %s',
    async (createdBy) => {
      const { manager } = engines.create([quick])
      const { taskId } = await manager.createTask(quick, {}, { ...DELAYED, createdBy })
      await manager.createTask(quick, {}, { ...DELAYED, createdBy: 'a' })
      await engines.database.pool.query(
        `update async_tasks set status = 'running', executor_id = gen_random_uuid(), attempt = 1`,
      )
      const leave = new AbortController()
      const steps = await watcher.feed.followAll({ signal: leave.signal, idleMs: 60_000, createdBy })
      const { value: first } = await steps.next()
      leave.abort()
      expect(first).toMatchObject([{ type: 'task', task: { taskId, status: 'running' } }])
    },
  )

  test('is shown its tasks and their deletion, and nothing of others', async () => {
    const { manager } = engines.create([quick])
    const create = (createdBy: string | null) =>
      manager.createTask(quick, {}, { ...DELAYED, createdBy }).then(({ taskId }) => taskId)
    const before = { own: await create('a'), other: await create('b') }
    const mine = await watch({ createdBy: 'a' })
    const all = await watch()
    const after = { own: await create('a'), other: await create('b'), nobody: await create(null) }
    for (const taskId of [before, after].flatMap((ids) => Object.values(ids)))
      await manager.cancelTask(taskId)
    await expect.poll(() => mine.shown.get(after.own)).toBe('cancelled')
    await manager.pauseTaskType('quick')
    await manager.resumeTaskType('quick')
    for (const taskId of [before.other, after.other, before.own, after.own]) await manager.deleteTask(taskId)
    for (const taskId of [before.own, after.own]) {
      await expect.poll(() => mine.shown.get(taskId)).toBe('deleted')
    }
    // What comes last for all has come for each.
    const last = await create('a')
    await expect.poll(() => mine.shown.get(last)).toBe('pending')
    await expect.poll(() => all.shown.get(after.other)).toBe('deleted')
    expect(new Set(mine.shown.keys())).toEqual(new Set([before.own, after.own, last]))
    expect(mine.events.map(({ type }) => type)).not.toContain('type')
    expect(JSON.stringify(mine.events)).not.toContain('createdBy')
  })

  test('is shown the deletion of its own tasks that the feed never read, and not of those of others', async () => {
    const { manager } = engines.create([quick])
    const create = async (createdBy: string | null) => {
      const { taskId } = await manager.createTask(quick, {}, { ...DELAYED, createdBy })
      await manager.cancelTask(taskId)
      return taskId
    }
    const [other, nobody, own] = [await create('b'), await create(null), await create('a')]
    await crowd()
    const mine = await watch({ createdBy: 'a' })
    for (const taskId of [other, nobody, own]) await manager.deleteTask(taskId)
    await expect.poll(() => mine.events).toEqual([{ type: 'deleted', taskId: own }])
    // Its stream goes on.
    const { taskId } = await manager.createTask(quick, {}, { ...DELAYED, createdBy: 'a' })
    await expect.poll(() => mine.shown.get(taskId)).toBe('pending')
    expect(mine.events).toHaveLength(2)
  })

  test('is shown the tasks of its own that retention deletes', async () => {
    const { manager, db } = engines.create([quick])
    const create = async (createdBy: string) => {
      const { taskId } = await manager.createTask(quick, {}, { ...DELAYED, createdBy })
      await manager.cancelTask(taskId)
      return taskId
    }
    const [own] = [await create('a'), await create('b')]
    await crowd()
    const mine = await watch({ createdBy: 'a' })
    const { pruned } = await pruneStep(db, 'quick', 0, PRUNE_START)
    expect(pruned).toBe(2)
    await expect.poll(() => mine.events).toEqual([{ type: 'deleted', taskId: own }])
  })

  test('ends where an earlier version deletes a task that the feed never read, for its creator is not known', async () => {
    const { manager } = engines.create([quick])
    const { taskId } = await manager.createTask(quick, {}, { ...DELAYED, createdBy: 'b' })
    await manager.cancelTask(taskId)
    await crowd()
    const mine = await watch({ createdBy: 'a' })
    const all = await watch()
    await engines.database.pool.query(
      `with gone as (delete from async_tasks where task_id = $1 returning task_id)
       insert into async_task_changes (task_ids) select array_agg(task_id) from gone`,
      [taskId],
    )
    await mine.ended
    await expect.poll(() => all.shown.get(taskId)).toBe('deleted')
    expect(mine.events).toEqual([])
  })

  test('begins with its running tasks, however many of others run and whoever came first', async () => {
    const run = (prefix: string, count: number, createdBy: string) =>
      engines.database.pool.query(
        `insert into async_tasks (task_id, task_type, status, started_at, attempt, created_by)
         select $1 || i, 'unknown', 'running', now(), 1, $3 from generate_series(1, $2::int) i`,
        [prefix, count, createdBy],
      )
    await run('task_other', 2_100, 'b')
    await run('task_own', 3, 'a')
    await crowd()
    const leave = new AbortController()
    onTestFinished(() => leave.abort())
    const first = async (createdBy?: string) => {
      const steps = await watcher.feed.followAll({ signal: leave.signal, idleMs: 60_000, createdBy })
      const { value = [] } = await steps.next()
      return value.flatMap((event) => (event.type === 'task' ? [event.task.taskId] : [])).toSorted()
    }
    expect((await first()).length).toBeGreaterThanOrEqual(2_000)
    expect(await first('a')).toEqual(['task_own1', 'task_own2', 'task_own3'])
    expect(await first('nobody')).toEqual([])
  })

  test('receives idle steps while only tasks of others change', async () => {
    const { manager } = engines.create([quick])
    const leave = new AbortController()
    onTestFinished(() => leave.abort())
    const steps = await watcher.feed.followAll({ signal: leave.signal, idleMs: 300, createdBy: 'a' })
    expect((await steps.next()).value).toEqual([])
    let isOver = false
    const others = (async () => {
      while (!isOver) await manager.createTask(quick, {}, { ...DELAYED, createdBy: 'b' })
    })()
    expect((await steps.next()).value).toEqual([])
    expect((await steps.next()).value).toEqual([])
    isOver = true
    await others
  })
})
