import type { FollowUp } from '../store/follow-ups.ts'
import { publishCreates } from './diagnostics.ts'
import type { TaskEvents } from './events.ts'

/** Emits that follow-ups were created: after the failures that created them. */
export function emitFollowUps(events: TaskEvents, failed: readonly { readonly followUp?: FollowUp }[]): void {
  const created = failed.flatMap(({ followUp }) => followUp ?? [])
  if (created.length === 0) return
  events.emit('created', {
    taskIds: created.map(({ taskId }) => taskId),
    taskTypes: created.map(({ taskType }) => taskType),
    dueNow: true,
  })
  events.emit('due', { count: created.length })
  publishCreates(created)
}
