import type pg from 'pg'
import { queryPool } from '../../db/client.ts'

/** What earlier attempts of a task have committed, so that this one leaves it out. */
export async function findFinishedUnits(pool: pg.Pool, taskId: string): Promise<ReadonlySet<string>> {
  const { rows } = await queryPool<{ unit: string }>(
    pool,
    `select unit
       from market_finished_units
      where task_id = $1`,
    [taskId],
  )
  return new Set(rows.map((row) => row.unit))
}

/** Part of the unit's own transaction: a unit is finished exactly when its rows are there. */
export async function markUnitFinished(client: pg.PoolClient, taskId: string, unit: string): Promise<void> {
  await client.query(
    `insert into market_finished_units (task_id, unit)
     values ($1, $2)
         on conflict do nothing`,
    [taskId, unit],
  )
}

/** At the good end: an operator who runs the completed task once more wants all of it done again. */
export async function forgetFinishedUnits(client: pg.PoolClient, taskId: string): Promise<void> {
  await client.query(
    `delete from market_finished_units
      where task_id = $1`,
    [taskId],
  )
}
