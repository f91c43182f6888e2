import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { errorGroup, errorGroupPath, errorGroupQuery, errorGroups } from '../../contract/error-groups.ts'
import { errorGroupNotFound } from '../../engine/manager/error-groups.ts'
import type { TaskManager } from '../../engine/manager/manager.ts'
import { actorOf } from '../authorize.ts'
import { noBody, noQuery, problems } from '../responses.ts'

const tags = ['errors']

export const errorGroupRoutes: FastifyPluginAsyncZod<{ manager: TaskManager }> = async (app, { manager }) => {
  const listSchema = {
    summary: 'List failures by type and message, the latest first',
    tags,
    querystring: errorGroupQuery,
    response: { 200: errorGroups, ...problems(400, 401, 403) },
  }
  app.get('/error-groups', { schema: listSchema }, async (request) => ({
    errorGroups: await manager.listErrorGroups(request.query),
  }))

  const readSchema = {
    summary: 'Read an error group',
    tags,
    params: errorGroupPath,
    querystring: noQuery,
    response: { 200: errorGroup, ...problems(400, 401, 403, 404) },
  }
  app.get('/error-groups/:groupId', { schema: readSchema }, async ({ params: { groupId } }) => {
    const group = await manager.getErrorGroup(groupId)
    if (!group) throw errorGroupNotFound(groupId)
    return group
  })

  const markSchema = {
    tags,
    params: errorGroupPath,
    querystring: noQuery,
    body: noBody,
    response: { 200: errorGroup, ...problems(400, 401, 403, 404, 413, 415) },
  }
  const seenSchema = { summary: 'Mark an error group as seen', ...markSchema }
  app.post('/error-groups/:groupId/seen', { schema: seenSchema }, async (request) =>
    manager.markErrorGroupSeen(request.params.groupId, actorOf(request)),
  )

  const unseenSchema = { summary: 'Mark an error group as not seen', ...markSchema }
  app.post('/error-groups/:groupId/unseen', { schema: unseenSchema }, async (request) =>
    manager.markErrorGroupUnseen(request.params.groupId, actorOf(request)),
  )
}
