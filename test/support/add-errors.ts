import { createDatabase } from '../../src/db/database.ts'
import { ErrorCounts } from '../../src/engine/definition/error-groups.ts'
import { addFigures } from '../../src/engine/store/figures.ts'
import type { TestDatabase } from './database.ts'

/** Counts failures of a type, as a process that had them some time ago. */
export async function addErrors(
  { pool, prepared, schema }: Pick<TestDatabase, 'pool' | 'prepared' | 'schema'>,
  taskType: string,
  errors: readonly string[],
  { ageMs = 0, taskId = 'task_gone' } = {},
): Promise<void> {
  const counts = new ErrorCounts()
  for (const error of errors) counts.add(taskType, taskId, error)
  const groups = counts.list().map((group) => ({ ...group, ageMs }))
  await addFigures(createDatabase(pool, { prepared, schema }), 0, [], groups)
}
