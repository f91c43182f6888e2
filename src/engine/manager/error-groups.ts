import type { ErrorGroup, ErrorGroupQuery } from '../../contract/error-group-views.ts'
import { errorGroupQuery } from '../../contract/error-groups.ts'
import { errorGroupId } from '../../contract/requests.ts'
import type { Database } from '../../db/database.ts'
import { requireValid } from '../create/arguments.ts'
import type { AuditedChange } from '../definition/actor.ts'
import { TaskError } from '../definition/errors.ts'
import { findGroup, listGroups, markGroup } from '../store/error-groups.ts'

export class ErrorGroups {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  list(query: ErrorGroupQuery): Promise<ErrorGroup[]> {
    return listGroups(this.#db, requireValid('error group query', errorGroupQuery, query))
  }

  async find(groupId: string): Promise<ErrorGroup | undefined> {
    return errorGroupId.safeParse(groupId).success ? findGroup(this.#db, groupId) : undefined
  }

  /** @throws TaskError `ERROR_GROUP_NOT_FOUND` */
  async mark(groupId: string, isSeen: boolean, change?: AuditedChange): Promise<ErrorGroup> {
    const isKnown = errorGroupId.safeParse(groupId).success
    const marked = isKnown && (await markGroup(this.#db, groupId, isSeen, change))
    const group = marked ? await findGroup(this.#db, groupId) : undefined
    if (!group) throw errorGroupNotFound(groupId)
    return group
  }
}

export function errorGroupNotFound(groupId: string): TaskError {
  return new TaskError('ERROR_GROUP_NOT_FOUND', `there is no error group ${JSON.stringify(groupId)}`)
}
