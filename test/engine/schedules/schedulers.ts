import { z } from 'zod'
import { partsOf } from '../../../src/engine/create/manager-parts.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import { currentTick } from '../../../src/engine/schedules/current-tick.ts'
import { Scheduler } from '../../../src/engine/schedules/scheduler.ts'
import { type ManagerParts, type TaskTables, useTaskTables } from '../../support/task-rows.ts'

const { task } = createTaskRegistry()
export const tick = task('tick')(() => {})
export const ofTheDay = task('of_the_day', {
  params: z.object({ day: z.string().default(() => currentTick()?.toISOString().slice(0, 10) ?? 'none') }),
})(() => {})

export const SECOND = { cron: '* * * * * *', task: tick } as const

interface Schedulers {
  readonly tables: TaskTables
  /** A scheduler that looks when the test says, as one of several processes. */
  createScheduler(known?: readonly AnyTask[]): ManagerParts & { readonly scheduler: Scheduler }
  /** Moves the next tick into the past: nobody was there since. */
  setNext(name: string, ago: string): Promise<Date>
  /** The rows of all schedules, by name. */
  schedules(): Promise<{ row: Record<string, unknown> }[]>
}

/** Empty tables for each test, and schedulers on them that do nothing on their own. */
export function useSchedulers(): Schedulers {
  const tables = useTaskTables()
  return {
    tables,
    createScheduler(known = [tick, ofTheDay]) {
      const { db, events, manager } = tables.createManager(known)
      const scheduler = new Scheduler(partsOf(manager))
      return { db, events, manager, scheduler }
    },
    async setNext(name, ago) {
      const { rows } = await tables.pool.query<{ next: Date }>(
        `update async_task_schedules set next_run_at = date_trunc('second', now()) - $2::interval
          where name = $1 returning next_run_at as next`,
        [name, ago],
      )
      return rows[0]?.next as Date
    },
    schedules: async () =>
      (await tables.pool.query('select to_jsonb(s) as row from async_task_schedules s order by name')).rows,
  }
}
