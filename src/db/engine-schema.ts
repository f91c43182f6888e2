import { createHash } from 'node:crypto'
import pg from 'pg'
import { PUBLIC, requireSchemaName } from './schema-name.ts'
import type { Statement } from './statement.ts'

const hash = (text: string, digits: number) =>
  createHash('sha256').update(text).digest('hex').slice(0, digits)

/** What statements name of their schema: a table as text, a table, the channel. No value is part of a text. */
const NAMES = /'public\.(async_task\w*)'|\bpublic\.(async_task\w*)|'fastify_async_tasks'/g

/** drizzle-kit qualifies foreign keys, enums and sequences so, but not tables. */
const MIGRATED = /"public"\./g

/**
 * The schema of an engine's tables. Statements and migrations are written for `public`: one of another schema has them
 * renamed as they are sent. Channel, lock and names of prepared statements differ too, because a database, a server and
 * a connection share those.
 */
export class EngineSchema {
  static readonly public = new EngineSchema(PUBLIC)

  readonly name: string
  /** As an identifier of SQL. */
  readonly quoted: string
  /** Of LISTEN and NOTIFY, which takes 63 bytes. */
  readonly channel: string
  readonly #statements = new WeakMap<Statement, Statement>()

  /** @throws TaskError `INVALID_ARGUMENT` */
  constructor(name: string) {
    this.name = requireSchemaName(name)
    this.quoted = this.isPublic ? PUBLIC : pg.escapeIdentifier(name)
    this.channel = this.isPublic ? 'fastify_async_tasks' : `fastify_async_tasks_${hash(name, 16)}`
  }

  get isPublic(): boolean {
    return this.name === PUBLIC
  }

  /** A text that is sent once, or rarely. */
  rename(text: string): string {
    if (this.isPublic) return text
    return text.replace(NAMES, (_name, asText?: string, table?: string) => {
      if (asText !== undefined) return pg.escapeLiteral(`${this.quoted}.${asText}`)
      return table === undefined ? pg.escapeLiteral(this.channel) : `${this.quoted}.${table}`
    })
  }

  /** Under a name of its own: two runners may share a host's pool, and `pg` refuses one name for two texts. */
  renameStatement(statement: Statement): Statement {
    if (this.isPublic) return statement
    const known = this.#statements.get(statement)
    if (known) return known
    const text = this.rename(statement.text)
    const renamed = { name: `${statement.name}_${hash(this.name, 8)}`, text }
    this.#statements.set(statement, renamed)
    return renamed
  }

  renameMigration(text: string): string {
    return this.isPublic ? text : text.replace(MIGRATED, () => `${this.quoted}.`)
  }
}
