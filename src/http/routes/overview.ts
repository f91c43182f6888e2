import { type FastifyPluginAsyncZod, jsonSchemaTransform } from 'fastify-type-provider-zod'
import type { TaskManager } from '../../tasks/manager.ts'
import { executorsAnswer, noQuery, problems, taskTypesAnswer } from '../responses.ts'

const config = { swaggerTransform: jsonSchemaTransform }

export const overviewRoutes: FastifyPluginAsyncZod<{ manager: TaskManager }> = async (app, { manager }) => {
  app.get(
    '/task-types',
    {
      config,
      schema: {
        summary: 'List the registered task types',
        tags: ['task types'],
        querystring: noQuery,
        response: { 200: taskTypesAnswer, ...problems(400, 401, 403) },
      },
    },
    async () => ({ taskTypes: manager.listTaskTypes() }),
  )

  app.get(
    '/executors',
    {
      config,
      schema: {
        summary: 'List the executors',
        tags: ['executors'],
        querystring: noQuery,
        response: { 200: executorsAnswer, ...problems(400, 401, 403) },
      },
    },
    async () => ({ executors: await manager.listExecutors() }),
  )
}
