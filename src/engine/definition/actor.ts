import type { AuditAction } from '../../contract/audit-views.ts'
import { cut } from './errors.ts'
import { toStorable } from './outcome.ts'

/** Who makes a change. A change with an actor, also a refused one, leaves an entry in the audit. */
export interface Actor {
  /** Id of the user, 1 … 200 characters; null: unknown. */
  id: string | null
  /** A name to show. Default: none. */
  name?: string | null
  /** Id of the request, as in your logs. Default: none. */
  requestId?: string | null
  /** Address of the client. Default: none. */
  address?: string | null
}

/** Option of methods that change something. */
export interface ActorOptions {
  /** Who makes the change, for the audit. Default: nobody, and the change leaves no entry. */
  actor?: Actor | undefined
}

/** What an actor does, before its outcome is known. */
export interface AuditedChange {
  readonly actor: Actor
  readonly action: AuditAction
  /** Null: the tasks that the change is about. */
  readonly subject: string | null
}

const MAX_CHARS = 200

/** As a column stores it: bounded, since some come from requests. */
export function toColumn(text: string | null | undefined): string | null {
  return typeof text === 'string' ? toStorable(cut(text, MAX_CHARS)) : null
}
