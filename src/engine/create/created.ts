import type { CreatedTask } from '../definition/create-options.ts'
import { TaskError } from '../definition/errors.ts'
import { decodeParams } from '../definition/params.ts'
import type { NewAuditEntry } from '../store/audit.ts'
import type { NewTask } from '../store/insert.ts'
import type { Insertion } from '../store/insert-unique.ts'
import { mayReplace } from '../store/replace.ts'
import { fromDetailRow, newDetail } from '../store/rows.ts'

export type NewUniqueTask = NewTask & { readonly uniqueKey: string }

export function hasKey(task: NewTask): task is NewUniqueTask {
  return task.uniqueKey !== null
}

export function toCreated(
  tasks: readonly NewTask[],
  { created, holders, replaced }: Insertion,
): CreatedTask[] {
  // A holder is shown as it has become.
  const found = [...holders, ...[...(replaced ?? [])].map(([key, { row }]) => [key, row] as const)]
  const byKey = new Map(found.map(([key, row]) => [key, fromDetailRow(row)]))
  return tasks.map((task) => {
    const { taskId, uniqueKey, onDuplicate } = task
    const replaces = onDuplicate === 'replace'
    const own = created.get(taskId)
    if (own) {
      const later = uniqueKey === null ? undefined : replaced?.get(uniqueKey)?.row
      const detail =
        later?.taskId === taskId
          ? fromDetailRow(later)
          : newDetail(task, own, decodeParams(Object.fromEntries(task.params)))
      if (uniqueKey !== null) byKey.set(uniqueKey, detail)
      return replaces ? { ...detail, created: true, replaced: false } : { ...detail, created: true }
    }
    const mine = replaces ? replaced?.get(uniqueKey ?? '')?.row : undefined
    if (mine && mayReplace(task, mine)) return { ...fromDetailRow(mine), created: false, replaced: true }
    const other = uniqueKey === null ? undefined : byKey.get(uniqueKey)
    if (!other) throw new Error(`the insert returned no row for ${taskId}`)
    return { ...other, created: false, ...(replaces && { replaced: false }) }
  })
}

/** The entries of the audit for those of the tasks that have an actor. */
export function toEntries(tasks: readonly NewTask[], created: readonly CreatedTask[]): NewAuditEntry[] {
  return tasks.flatMap(({ audit }, i) =>
    audit ? [{ ...audit, subject: audit.subject ?? created[i]?.taskId ?? null, outcome: 'ok' }] : [],
  )
}

/** @throws TaskError `DUPLICATE_TASK` for a duplicate with `onDuplicate: 'reject'` */
export function requireAccepted(tasks: readonly NewTask[], created: readonly CreatedTask[]): void {
  const duplicate = tasks.findIndex(
    ({ onDuplicate }, i) => onDuplicate === 'reject' && created[i]?.created === false,
  )
  const holder = created[duplicate]
  if (!holder) return
  const { taskId, status } = holder
  const key = JSON.stringify(tasks[duplicate]?.uniqueKey)
  throw new TaskError('DUPLICATE_TASK', `${taskId} has the unique key ${key}: ${status}`)
}
