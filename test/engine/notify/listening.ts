import { expect } from 'vitest'
import type { Engine } from '../../support/engine.ts'
import type { useEngines } from '../../support/engines.ts'

/** Resolves when so many processes listen, this one among them. */
export async function listening(
  engines: ReturnType<typeof useEngines>,
  { executor }: Engine,
  count = 1,
): Promise<void> {
  await expect
    .poll(async () => {
      const { rows } = await engines.database.pool.query(
        `select state, query from pg_stat_activity
          where datname = current_database() and application_name = 'fastify-async-tasks listener'`,
      )
      return rows.map(({ state, query }) => [state, query.startsWith('listen')])
    })
    .toEqual(Array.from({ length: count }, () => ['idle', true]))
  expect(executor.health().loops.map(({ loop }) => loop)).toContain('listener')
}
