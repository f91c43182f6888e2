import type { TestDatabase } from './database.ts'
import { withClient } from './with-client.ts'

export interface Role {
  readonly name: string
  /** Of the same database, with this role. */
  readonly url: string
  /** Also what it owns: roles are the server's, and a database outlives none that owns in it. */
  drop(): Promise<void>
}

let created = 0

/** A role that may connect and nothing else. Drop it before its database. */
export async function createRole(database: TestDatabase): Promise<Role> {
  const base = new URL(database.directUrl).pathname.slice(1)
  const name = `${base}_role${++created}`
  await runAsOwner(database, [`create role ${name} login password 'secret'`])
  const url = new URL(database.directUrl)
  url.username = name
  url.password = 'secret'
  return {
    name,
    url: url.href,
    drop: () => runAsOwner(database, [`drop owned by ${name} cascade`, `drop role ${name}`]),
  }
}

/** Statements of the database's owner, on a connection of its own. */
export async function runAsOwner(database: TestDatabase, statements: readonly string[]): Promise<void> {
  await withClient(database.directUrl, async (client) => {
    for (const statement of statements) await client.query(statement)
  })
}
