import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AuditAction } from '../contract/audit-views.ts'
import { partsOf } from '../engine/create/manager-parts.ts'
import type { Actor } from '../engine/definition/actor.ts'
import { AuditTrail, hasEntry } from '../engine/manager/audit-trail.ts'
import type { TaskManager } from '../engine/manager/manager.ts'
import { findActor } from './authorize.ts'
import { toProblem } from './problems.ts'

/** What each route that changes something does. */
const ACTIONS: Readonly<Record<string, AuditAction>> = {
  'POST /tasks': 'task.create',
  'DELETE /tasks/:taskId': 'task.delete',
  'POST /tasks/:taskId/cancel': 'task.cancel',
  'POST /tasks/:taskId/retry': 'task.retry',
  'PATCH /tasks/:taskId': 'task.update',
  'POST /tasks/:taskId/run-now': 'task.run_now',
  'POST /tasks/bulk': 'task.bulk',
  'POST /task-types/:taskType/pause': 'type.pause',
  'POST /task-types/:taskType/resume': 'type.resume',
  'POST /error-groups/:groupId/seen': 'error.seen',
  'POST /error-groups/:groupId/unseen': 'error.unseen',
  'POST /schedules': 'schedule.create',
  'PATCH /schedules/:name': 'schedule.update',
  'DELETE /schedules/:name': 'schedule.delete',
  'POST /schedules/:name/run': 'schedule.run',
}

/**
 * Writes an entry for each change that is refused before the manager sees it: by a role, a schema or a limit. Requests
 * without a valid caller leave none, so that strangers cannot fill the table.
 */
export function recordRefusals(app: FastifyInstance, manager: TaskManager): void {
  app.addHook('onError', async (request, _reply, error) => {
    const path = request.routeOptions.url?.slice(app.prefix.length)
    const action = ACTIONS[`${request.method} ${path}`]
    const actor = findActor(request)
    if (!action || !actor || hasEntry(actor)) return
    const { status, code } = toProblem(error)
    if (status >= 500) return
    await refuse(manager, { actor, action }, [{ subject: subjectOf(request), outcome: code }])
  })
}

/** Writes refusals by the routes themselves. */
export async function refuse(
  manager: TaskManager,
  { actor, action }: { actor: Actor; action: AuditAction },
  results: readonly { subject: string | null; outcome: string }[],
): Promise<void> {
  await new AuditTrail(partsOf(manager)).refuse({ actor, action, subject: null }, results)
}

const SUBJECTS = ['taskId', 'groupId', 'name', 'taskType'] as const

/** A name in the path or, of what is to be created, in the body. */
function subjectOf({ params, body }: FastifyRequest): string | null {
  const named = SUBJECTS.map((name) => readText(params, name) ?? readText(body, name))
  return named.find((text) => text !== undefined) ?? null
}

/** Of a body or path that may be anything. Copying it would take seconds: a long text has a property for each character. */
export function readText(from: unknown, name: string): string | undefined {
  const value = (from as Record<string, unknown> | null | undefined)?.[name]
  return typeof value === 'string' ? value : undefined
}
