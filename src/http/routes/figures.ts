import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { health } from '../../contract/health.ts'
import { overview, overviewByType, overviewByTypeQuery, overviewQuery } from '../../contract/overview.ts'
import type { TaskManager } from '../../engine/manager/manager.ts'
import { noQuery, problems } from '../responses.ts'

export const figureRoutes: FastifyPluginAsyncZod<{ manager: TaskManager }> = async (app, { manager }) => {
  const overviewSchema = {
    summary: 'What happened to tasks lately, and what waits',
    tags: ['tasks'],
    querystring: overviewQuery,
    response: { 200: overview, ...problems(400, 401, 403) },
  }
  app.get('/overview', { schema: overviewSchema }, async (request) => manager.overview(request.query))

  const byTypeSchema = {
    summary: 'What happened to tasks lately, and what waits, type by type',
    tags: ['task types'],
    querystring: overviewByTypeQuery,
    response: { 200: overviewByType, ...problems(400, 401, 403) },
  }
  app.get('/overview/types', { schema: byTypeSchema }, async (request) =>
    manager.overviewByType(request.query),
  )

  const healthSchema = {
    summary: 'Whether tasks run, in time and with success',
    tags: ['tasks'],
    querystring: noQuery,
    response: { 200: health, ...problems(400, 401, 403) },
  }
  app.get('/health', { schema: healthSchema }, async () => manager.health())
}
