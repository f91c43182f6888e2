import { expect } from 'vitest'
import type { TaskStatus } from '../../../src/engine/definition/lifecycle.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'
import { countHeldUp } from '../../support/held-up.ts'
import { inStatus, type StoredTables, type TaskTables, useTaskTables } from '../../support/task-rows.ts'

export const FINISHED = ['completed', 'failed', 'cancelled'] as const
export const UNFINISHED = ['pending', 'running'] as const

export async function expectCode(call: Promise<unknown>, code: string): Promise<void> {
  await expect(call).rejects.toMatchObject({ code })
}

interface SteeredTasks {
  readonly tables: TaskTables
  /** Tasks in every status, with params, logs and attempts, that no call of a test names. */
  insertBystanders(): Promise<StoredTables>
  /** The call is refused with this code and changes nothing. */
  expectRefusal(
    status: TaskStatus,
    call: (manager: TaskManager, taskId: string) => Promise<unknown>,
    code: string,
    columns?: object,
  ): Promise<void>
  /** Starts `call` while another transaction has deleted the task, and commits that once `call` waits for it. */
  whileDeleting(taskId: string, call: () => Promise<void>): Promise<void>
}

/** Empty tables for each test, and what is asked of every call that steers a task. */
export function useSteeredTasks(): SteeredTasks {
  const tables = useTaskTables()
  return {
    tables,
    async insertBystanders() {
      for (const status of [...FINISHED, ...UNFINISHED]) {
        const taskId = await tables.insert(inStatus(status))
        await tables.pool.query(
          `with p as (insert into async_task_params (task_id, key, value) values ($1, 'a', '1')),
                l as (insert into async_task_logs (task_id, level, message) values ($1, 'INFO', 'said'))
           insert into async_task_attempts (task_id, attempt, started_at, outcome) values ($1, 7, now(), 'failed')`,
          [taskId],
        )
      }
      return tables.read()
    },
    async expectRefusal(status, call, code, columns = {}) {
      const { manager } = tables.createManager()
      const taskId = await tables.insert({ ...inStatus(status), ...columns })
      const before = await tables.read()
      await expectCode(call(manager, taskId), code)
      expect(await tables.read()).toEqual(before)
    },
    async whileDeleting(taskId, call) {
      const client = await tables.pool.connect()
      try {
        await client.query('begin')
        await client.query('delete from async_tasks where task_id = $1', [taskId])
        const called = call()
        await expect.poll(() => countHeldUp(tables.pool)).toBe(1)
        await client.query('commit')
        await called
      } finally {
        client.release()
      }
    },
  }
}
