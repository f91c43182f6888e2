import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { bulkAnswer, bulkBody } from '../../contract/bulk.ts'
import { taskStats } from '../../contract/stats.ts'
import type { TaskManager } from '../../engine/manager/manager.ts'
import { noQuery, problems } from '../responses.ts'
import { bulkOf } from '../roles.ts'

// A thousand of the longest ids, every character escaped.
const BULK_BODY_LIMIT = 384 * 1024

const tags = ['tasks']

export const manyTasksRoutes: FastifyPluginAsyncZod<{ manager: TaskManager }> = async (app, { manager }) => {
  const statsSchema = {
    summary: 'Count tasks by status and type, and finished tasks per minute',
    tags,
    querystring: noQuery,
    response: { 200: taskStats, ...problems(400, 401, 403) },
  }
  app.get('/tasks/stats', { schema: statsSchema }, async () => manager.stats())

  const bulkSchema = {
    summary: 'Cancel, retry or delete many tasks',
    tags,
    querystring: noQuery,
    body: bulkBody,
    response: { 200: bulkAnswer, ...problems(400, 401, 403, 413, 415) },
  }
  app.post('/tasks/bulk', { bodyLimit: BULK_BODY_LIMIT, schema: bulkSchema }, async (request) =>
    bulkOf(request, manager, request.body),
  )
}
