/** What was done, as entries of the audit name it. */
export type AuditAction =
  | 'task.create'
  | 'task.cancel'
  | 'task.retry'
  | 'task.delete'
  | 'task.update'
  | 'task.run_now'
  | 'task.bulk'
  | 'task.prune'
  | 'type.pause'
  | 'type.resume'
  | 'schedule.create'
  | 'schedule.update'
  | 'schedule.delete'
  | 'schedule.run'
  | 'error.seen'
  | 'error.unseen'
  | 'user.login'
  | 'user.logout'
  | 'user.create'
  | 'user.update'
  | 'user.password'
  | 'session.end'

/** A change, or a refused one. */
export interface AuditEntry {
  /** When it was written, by the database's clock. */
  at: Date
  /** Who made the change. */
  actor: {
    /** Id as text; null: unknown, as where the host guards the routes itself. */
    id: string | null
    /** A name to show; null: none. */
    name: string | null
  }
  /** What was done, such as `task.cancel`. */
  action: string
  /** Id of the task or error group, name of the type or schedule, or a user; null: none. */
  subject: string | null
  /** `ok`, or the code of the error that the caller got, such as `TASK_NOT_FOUND`. */
  outcome: string
  /** Id of the request; null: none. */
  requestId: string | null
  /** Address of the client; null: none. */
  address: string | null
}

/** A page of the audit, newest first. */
export interface AuditPage {
  /** At most 100 entries. */
  entries: AuditEntry[]
  /** The `cursor` of the next page; null: this is the last one. */
  nextCursor: string | null
}

/** Which entries of the audit to list. Without a field: all. */
export interface AuditQuery {
  /** Id of who made the change. */
  actor?: string | undefined
  /** What was done, such as `task.cancel`. */
  action?: string | undefined
  /** Id of a task or error group, name of a type or schedule, or a user. */
  subject?: string | undefined
  /** Written at this instant or later. */
  after?: Date | undefined
  /** Written before this instant. */
  before?: Date | undefined
  /** `nextCursor` of the previous page. */
  cursor?: string | undefined
}
