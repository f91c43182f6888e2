import type { FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type pg from 'pg'
import { z } from 'zod'
import { accountView, newUserBody, userChangeBody, userView } from '../contract/session.ts'
import { storableText } from '../contract/task.ts'
import { trackMethods } from '../http/allowed-methods.ts'
import { HttpProblem } from '../http/problems.ts'
import { noQuery, problems } from '../http/responses.ts'
import { prepareScope } from '../http/scope.ts'
import { actorOf, auditScope } from './audit.ts'
import { toLimitProblem } from './login-limit.ts'
import { AccountError, changeUser, createUser } from './store/change-users.ts'
import { findUser, listAccounts } from './store/users.ts'
import type { Account, User } from './user.ts'
import { refuseWeak } from './weak-password-problem.ts'

const CALLER = 'accountsCaller'
const tags = ['auth']
const userPath = z.object({ userId: storableText })

const readSchema = {
  summary: 'Read a user',
  tags,
  params: userPath,
  querystring: noQuery,
  response: { 200: z.object({ user: userView }), ...problems(400, 401, 403, 404) },
}
const listSchema = {
  summary: 'List users',
  description: 'For admins.',
  tags,
  querystring: noQuery,
  response: { 200: z.object({ users: z.array(accountView) }), ...problems(400, 401, 403) },
}
const createSchema = {
  summary: 'Create a user',
  description: 'For admins.',
  tags,
  querystring: noQuery,
  body: newUserBody,
  response: { 201: z.object({ user: accountView }), ...problems(400, 401, 403, 409, 413, 415, 429) },
}
const changeSchema = {
  summary: 'Change a user',
  description: 'For admins. A new password, and `disabled`, end the user’s sessions.',
  tags,
  params: userPath,
  querystring: noQuery,
  body: userChangeBody,
  response: { 200: z.object({ user: accountView }), ...problems(400, 401, 403, 404, 409, 413, 415, 429) },
}

export interface UserRoutesOptions {
  pool: pg.Pool
  idleSeconds: number
  onPasswordChange?: (user: User) => void
}

/** Users: their names for all callers, their accounts for admins. */
export const userRoutes: FastifyPluginAsyncZod<UserRoutesOptions> = async (app, options) => {
  const { pool, idleSeconds } = options
  prepareScope(app)
  auditScope(app, pool)
  app.decorateRequest(CALLER, null)
  app.addHook('onRequest', async (request) => request.setDecorator(CALLER, await app.authorizeUser(request)))
  const refuseOtherMethods = trackMethods(app)

  const requireAccount = async (userId: string): Promise<Account> => {
    const [account] = await listAccounts(pool, idleSeconds, userId)
    if (!account) throw userNotFound(userId)
    return account
  }
  const onRequest = async (request: FastifyRequest) => {
    if (callerOf(request).role === 'admin') return
    throw request.method === 'GET'
      ? new HttpProblem(403, 'FORBIDDEN', 'only an admin may do this')
      : new HttpProblem(403, 'READ_ONLY', 'a viewer reads everything and changes nothing')
  }

  app.get('/users/:userId', { schema: readSchema }, async (request) => {
    const { userId } = request.params
    const user = await findUser(pool, userId)
    if (!user) throw userNotFound(userId)
    return { user }
  })

  app.get('/users', { schema: listSchema, onRequest }, async () => ({
    users: await listAccounts(pool, idleSeconds),
  }))

  app.post('/users', { schema: createSchema, onRequest }, async (request, reply) => {
    const user = await createUser(pool, request.body, actorOf(request)).catch(toProblem)
    reply.code(201).header('location', `${request.url.split('?', 1)[0]}/${user.id}`)
    return { user: await requireAccount(user.id) }
  })

  app.patch('/users/:userId', { schema: changeSchema, onRequest }, async (request) => {
    const { userId } = request.params
    if (request.body.password !== undefined && callerOf(request).id === userId)
      throw new HttpProblem(403, 'FORBIDDEN', 'change your own password with POST /auth/password')
    await changeUser(pool, userId, request.body, actorOf(request)).catch(toProblem)
    const user = await requireAccount(userId)
    if (request.body.password !== undefined) options.onPasswordChange?.(user)
    return { user }
  })

  refuseOtherMethods()
}

const callerOf = (request: FastifyRequest) =>
  request.getDecorator<{ id: string; role: 'admin' | 'viewer' }>(CALLER)

function userNotFound(userId: string): HttpProblem {
  return new HttpProblem(404, 'USER_NOT_FOUND', `there is no user ${JSON.stringify(userId)}`)
}

function toProblem(error: unknown): never {
  if (error instanceof AccountError)
    throw new HttpProblem(error.code === 'USER_NOT_FOUND' ? 404 : 409, error.code, error.message)
  return refuseWeak('password')(toLimitProblem(error))
}
