import { expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { createGate } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

const TASKS = 12

/** All say the same at the same moment, so that it leaves together; the database refuses what task 5 says. */
async function runTogether(constraint: string) {
  await engines.database.pool.query(constraint)
  const { task } = createTaskRegistry()
  const gate = createGate()
  let waiting = 0
  const talk = task('talk', { params: z.object({ i: z.int() }), maxRetries: 0 })(async ({ i }, ctx) => {
    waiting += 1
    if (waiting === TASKS) gate.open()
    await gate.opened
    const word = i === 5 ? 'refused' : 'fine'
    ctx.progress(i, 100, word)
    ctx.log.info(`first, ${word}`)
    ctx.log.info('second, fine')
    // Its progress leaves before its end.
    throw new Error('done')
  })
  const { manager, events, executor } = engines.create([talk], { concurrency: TASKS })
  const failed: unknown[] = []
  events.on('writeFailed', ({ what }) => failed.push(what))
  const created = await manager.createTasks(
    Array.from({ length: TASKS }, (_, i) => ({ task: talk, params: { i } })),
  )
  executor.start()
  const ids = created.map(({ taskId }) => taskId)
  await Promise.all(ids.map((taskId) => manager.waitFor(taskId)))
  return { manager, failed, ids }
}

test.each([
  ['a check', `alter table async_task_logs add constraint host_rule check (message !~ 'refused')`],
  [
    'a trigger',
    `create function refuse() returns trigger language plpgsql as $$
       begin if new.message ~ 'refused' then raise 'not here'; end if; return new; end $$;
     create trigger host_rule before insert on async_task_logs for each row execute function refuse()`,
  ],
])('a log line that %s refuses takes no other line along', async (_name, constraint) => {
  const { manager, failed, ids } = await runTogether(constraint)
  for (const [i, taskId] of ids.entries()) {
    const { logs } = await manager.listLogs(taskId)
    const said = logs.filter(({ level }) => level === 'INFO').map(({ message }) => message)
    expect(said).toEqual(i === 5 ? ['second, fine'] : ['first, fine', 'second, fine'])
  }
  expect(new Set(failed)).toEqual(new Set(['log lines']))
})

test('a step of progress that is refused takes no other progress along', async () => {
  const constraint = `alter table async_tasks add constraint host_rule check (step is distinct from 'refused')`
  const { manager, failed, ids } = await runTogether(constraint)
  for (const [i, taskId] of ids.entries()) {
    expect(await manager.getTask(taskId)).toMatchObject({ status: 'failed', progress: i === 5 ? 0 : i })
  }
  expect(new Set(failed)).toEqual(new Set(['progress']))
})
