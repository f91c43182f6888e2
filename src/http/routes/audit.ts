import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { auditPage, auditQuery } from '../../contract/audit.ts'
import type { TaskManager } from '../../engine/manager/manager.ts'
import { problems } from '../responses.ts'

export const auditRoute: FastifyPluginAsyncZod<{ manager: TaskManager }> = async (app, { manager }) => {
  const schema = {
    summary: 'List who changed what, newest first',
    description: 'At most 100 entries; refused changes are among them.',
    tags: ['audit'],
    querystring: auditQuery,
    response: { 200: auditPage, ...problems(400, 401, 403) },
  }
  app.get('/audit', { schema }, async (request) => manager.listAudit(request.query))
}
