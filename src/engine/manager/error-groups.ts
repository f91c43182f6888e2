import type { ErrorGroup, ErrorGroupQuery } from '../../contract/error-group-views.ts'
import { errorGroupQuery } from '../../contract/error-groups.ts'
import { errorGroupId } from '../../contract/requests.ts'
import type { Database } from '../../db/database.ts'
import { requireValid } from '../create/arguments.ts'
import type { AuditedChange } from '../definition/actor.ts'
import { TaskError } from '../definition/errors.ts'
import { findGroup, listGroups, markGroup } from '../store/error-groups.ts'

export function listErrorGroups(db: Database, query: ErrorGroupQuery): Promise<ErrorGroup[]> {
  return listGroups(db, requireValid('error group query', errorGroupQuery, query))
}

export async function findErrorGroup(db: Database, groupId: string): Promise<ErrorGroup | undefined> {
  return errorGroupId.safeParse(groupId).success ? findGroup(db, groupId) : undefined
}

/** @throws TaskError `ERROR_GROUP_NOT_FOUND` */
export async function markErrorGroup(
  db: Database,
  groupId: string,
  isSeen: boolean,
  change?: AuditedChange,
): Promise<ErrorGroup> {
  const isKnown = errorGroupId.safeParse(groupId).success
  const marked = isKnown && (await markGroup(db, groupId, isSeen, change))
  const group = marked ? await findGroup(db, groupId) : undefined
  if (!group) throw errorGroupNotFound(groupId)
  return group
}

export function errorGroupNotFound(groupId: string): TaskError {
  return new TaskError('ERROR_GROUP_NOT_FOUND', `there is no error group ${JSON.stringify(groupId)}`)
}
