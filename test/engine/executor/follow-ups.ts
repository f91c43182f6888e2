import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { type Engines, useEngines } from '../../support/engines.ts'

interface FollowUpRow {
  readonly taskId: string
  readonly createdBy: string | null
  readonly priority: number
  readonly maxRetries: number
  readonly timeoutSeconds: number
  readonly params: Record<string, unknown>
}

/** Engines on a fresh database for each test, and what they have created there. */
export function useFollowUps(): {
  engines: Engines
  /** The tasks of a type as they are stored, the oldest first. */
  stored: (taskType?: string) => Promise<FollowUpRow[]>
} {
  const engines = useEngines()
  async function stored(taskType = 'alert'): Promise<FollowUpRow[]> {
    const { rows } = await engines.database.pool.query<FollowUpRow>(
      `select task_id as "taskId", created_by as "createdBy", priority, max_retries as "maxRetries",
              timeout_seconds as "timeoutSeconds",
              (select json_object_agg(key, value::json) from async_task_params p where p.task_id = t.task_id) as params
         from async_tasks t where task_type = $1 order by id`,
      [taskType],
    )
    return rows
  }
  return { engines, stored }
}

/** A registry whose `alert` does nothing. */
export function withAlert() {
  const { task } = createTaskRegistry()
  return { task, alert: task('alert')(() => {}) }
}
