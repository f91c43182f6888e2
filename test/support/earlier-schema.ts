import type pg from 'pg'
import { EngineSchema } from '../../src/db/engine-schema.ts'
import { type MigrationHistory, readMigrations } from '../../src/db/migrations.ts'

/** Applies the migrations up to this one to an empty database, as a version that had no later ones. */
export async function migrateTo(
  last: string,
  client: pg.ClientBase,
  { schema = EngineSchema.public, history = 'tasks' as MigrationHistory, hasBounds = true } = {},
): Promise<void> {
  const journal = `${schema.quoted}.${history === 'tasks' ? 'async_tasks' : 'server'}_migrations`
  await client.query('begin')
  await client.query(`select set_config('search_path', $1, true)`, [schema.quoted])
  await client.query(
    `create table if not exists ${journal}
       (id serial primary key, hash text not null, created_at bigint${hasBounds ? ', oldest_version text' : ''})`,
  )
  const known = readMigrations(history, schema)
  const end = known.findIndex(({ name }) => name === last) + 1
  if (end === 0) throw new Error(`no migration ${last}`)
  for (const { sql, folderMillis, hash, oldestVersion } of known.slice(0, end)) {
    for (const statement of sql) await client.query(statement)
    await client.query(`insert into ${journal} (hash, created_at) values ($1, $2)`, [hash, folderMillis])
    if (hasBounds)
      await client.query(`update ${journal} set oldest_version = $1 where created_at = $2`, [
        oldestVersion,
        folderMillis,
      ])
  }
  await client.query('commit')
}
