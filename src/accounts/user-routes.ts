import { type FastifyPluginAsyncZod, jsonSchemaTransform } from 'fastify-type-provider-zod'
import type pg from 'pg'
import { z } from 'zod'
import { userView } from '../contract/session.ts'
import { storableText } from '../contract/task.ts'
import { trackMethods } from '../http/allowed-methods.ts'
import { HttpProblem } from '../http/problems.ts'
import { noQuery, problems } from '../http/responses.ts'
import { prepareScope } from '../http/scope.ts'
import { findUser } from './store.ts'

const readSchema = {
  summary: 'Read a user',
  tags: ['auth'],
  params: z.object({ userId: storableText }),
  querystring: noQuery,
  response: { 200: z.object({ user: userView }), ...problems(400, 401, 403, 404) },
}

/** Users, for admins. */
export const userRoutes: FastifyPluginAsyncZod<{ pool: pg.Pool }> = async (app, { pool }) => {
  prepareScope(app)
  app.addHook('onRequest', async (request) => void (await app.authorizeAdmin(request)))
  const refuseOtherMethods = trackMethods(app)

  const config = { swaggerTransform: jsonSchemaTransform }
  app.get('/:userId', { config, schema: readSchema }, async ({ params: { userId } }) => {
    const user = await findUser(pool, userId)
    if (!user) throw new HttpProblem(404, 'USER_NOT_FOUND', `there is no user ${JSON.stringify(userId)}`)
    return { user }
  })

  refuseOtherMethods()
}
