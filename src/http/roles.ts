import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { BulkRequest, BulkResponse } from '../contract/bulk.ts'
import { taskNotFound } from '../engine/definition/errors.ts'
import { findCreatedBy } from '../engine/manager/creators.ts'
import type { TaskManager } from '../engine/manager/manager.ts'
import { refuse } from './audit.ts'
import { actorOf, findCaller } from './authorize.ts'
import { HttpProblem } from './problems.ts'

/**
 * What each role may do. A viewer reads. An owner uses the listed routes alone, so later ones are closed to it, and
 * does not learn whether tasks of others exist.
 */

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Those with a `taskId` are checked here; the others call `creatorFor` or `bulkOf`. */
const OWNER_ROUTES: ReadonlySet<string> = new Set([
  'GET /me',
  'GET /tasks',
  'GET /tasks/events',
  'GET /tasks/:taskId',
  'GET /tasks/:taskId/events',
  'GET /tasks/:taskId/logs',
  'POST /tasks/:taskId/cancel',
  'POST /tasks/bulk',
])

/** Restricts all routes of the scope to the caller's role; call it after `guard`. */
export function limitRoles(app: FastifyInstance, manager: TaskManager): void {
  app.addHook('onRequest', async (request) => requireRole(request, app.prefix))
  // After validation: the response is the same for a missing task and another's.
  app.addHook('preHandler', async (request) => {
    const owner = findOwnerId(request)
    const { taskId } = (request.params ?? {}) as { taskId?: string }
    if (owner === undefined || taskId === undefined) return
    if ((await findCreatedBy(manager, [taskId], owner)).has(taskId)) return
    throw taskNotFound(taskId)
  })
}

function requireRole(request: FastifyRequest, prefix: string): void {
  const role = findCaller(request)?.role ?? 'admin'
  if (role === 'admin' || request.is404) return
  if (role === 'viewer') {
    if (SAFE_METHODS.has(request.method)) return
    throw new HttpProblem(403, 'READ_ONLY', 'a viewer reads everything and changes nothing')
  }
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const path = request.routeOptions.url?.slice(prefix.length)
  if (!OWNER_ROUTES.has(`${method} ${path}`)) throw forbidden('an owner sees and cancels its own tasks only')
}

/**
 * Whose tasks a list or stream shows: an owner's own; undefined: all.
 *
 * @throws HttpProblem 403 if an owner names another creator
 */
export function creatorFor(request: FastifyRequest, createdBy: string | undefined): string | undefined {
  const owner = findOwnerId(request)
  if (owner === undefined) return createdBy
  if (createdBy !== undefined && createdBy !== owner) {
    throw forbidden('createdBy must be your own id, or left out: an owner sees its own tasks only')
  }
  return owner
}

/** An owner cancels its own tasks alone; others do not exist for it. */
export async function bulkOf(
  request: FastifyRequest,
  manager: TaskManager,
  body: BulkRequest,
): Promise<BulkResponse> {
  const owner = findOwnerId(request)
  const options = actorOf(request)
  if (owner === undefined) return manager.bulk(body, options)
  if (body.action !== 'cancel') throw forbidden('an owner may only cancel')
  const { taskIds, filter } = body
  if (!taskIds) {
    const createdBy = creatorFor(request, filter?.createdBy)
    return manager.bulk({ ...body, filter: { ...filter, createdBy } }, options)
  }
  const own = await findCreatedBy(manager, taskIds, owner)
  const { results } =
    own.size === 0 ? { results: [] } : await manager.bulk({ ...body, taskIds: [...own] }, options)
  const others = [...new Set(taskIds)].filter((taskId) => !own.has(taskId))
  if (!body.dryRun && others.length > 0) {
    // One for all of them: made-up ids must not fill the table.
    await refuse(manager, { ...options, action: 'task.bulk' }, [{ subject: null, outcome: 'TASK_NOT_FOUND' }])
  }
  const byId = new Map(results.map((result) => [result.taskId, result]))
  return {
    results: [...new Set(taskIds)].map(
      (taskId) => byId.get(taskId) ?? { taskId, ok: false, code: 'TASK_NOT_FOUND' },
    ),
    more: false,
  }
}

/** The caller's id, if it is an owner. */
export function findOwnerId(request: FastifyRequest): string | undefined {
  const caller = findCaller(request)
  return caller?.role === 'owner' ? caller.id : undefined
}

function forbidden(detail: string): HttpProblem {
  return new HttpProblem(403, 'FORBIDDEN', detail)
}
