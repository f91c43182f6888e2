import { beforeEach } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'
import { rememberTypes } from '../../support/remember-types.ts'
import { type TaskTables, useTaskTables } from '../../support/task-rows.ts'

const { task } = createTaskRegistry()
export const sendReport = task('send_report', {
  params: z.object({ userId: z.number().int(), dryRun: z.boolean().default(false) }),
  timeoutSeconds: 600,
  maxRetries: 5,
  priority: 7,
})(() => ({ rows: 42 }))
export const plain = task('plain')(() => undefined)

interface CreatedTasks {
  readonly tables: TaskTables
  /** Knows the two types above; of `elsewhere` it knows that another process has it. */
  createManager(): TaskManager
}

export function useCreatedTasks(): CreatedTasks {
  const tables = useTaskTables()
  beforeEach(() => rememberTypes(tables.pool, 'elsewhere'))
  return {
    tables,
    createManager: () => tables.createManager([sendReport, plain], { maxRetries: 2 }).manager,
  }
}
