import type { BulkResponse } from '../../../client/index.ts'
import { client } from '../../client.ts'
import type { Dictionary } from '../../i18n/en.ts'
import type { Query } from '../../state/route.ts'
import { change, notify } from '../../state/toasts.ts'
import { toQuery } from './filter.ts'
import { encodeIds } from './picked-ids.ts'

/** What one call takes: `MAX_BULK_TASKS` of the contract, whose module would bring zod along. */
export const MAX_TASKS = 1_000

/** The list of exactly these tasks; undefined: an address cannot name them. */
export function linkTo(taskIds: readonly string[]): Query | undefined {
  return encodeIds(taskIds) === undefined ? undefined : toQuery({ taskId: [...taskIds] })
}

/**
 * What takes a cancel back: tasks that were pending become pending again, with their due time, used retries and expiry.
 * Undefined: none was. A handler whose signal was aborted does not go on.
 */
export function undoOf(results: BulkResponse['results'], text: Dictionary): (() => void) | undefined {
  const pending = results.flatMap(({ taskId, wasPending }) => (wasPending ? [taskId] : []))
  return pending.length === 0 ? undefined : () => void restore(pending, text)
}

export async function restore(taskIds: readonly string[], text: Dictionary): Promise<void> {
  const results: BulkResponse['results'] = []
  for (let start = 0; start < taskIds.length; start += MAX_TASKS) {
    const some = taskIds.slice(start, start + MAX_TASKS)
    const response = await change(() => client.bulkTasks({ action: 'retry', taskIds: some, restore: true }))
    if (!response) break
    results.push(...response.results)
  }
  const done = results.filter(({ ok }) => ok).length
  if (done > 0) notify(text.actions.restored(done))
  const refused = listRefusals(results, text)
  if (refused !== '') notify(refused, 'problem')
}

/** How many were refused, and the reasons. */
export function listRefusals(results: BulkResponse['results'], text: Dictionary): string {
  const refused = results.filter(({ ok }) => !ok)
  if (refused.length === 0) return ''
  const reasons = new Set(refused.map(({ code = '' }) => text.codes[code] ?? code))
  return text.actions.refused(refused.length, [...reasons].join(', '))
}
