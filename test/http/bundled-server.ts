import { channel } from 'node:diagnostics_channel'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse, RouteOptions } from 'fastify'
import { hashPassword } from '../../src/accounts/passwords.ts'
import { insertUser, type Role } from '../../src/accounts/store.ts'
import { buildApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import type { AnyTask } from '../../src/engine/definition/task.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

export const ADMIN = { username: 'admin', password: 'correct horse battery staple' }
export const USER = { username: 'visitor', password: 'only looking' }

export interface BundledServer {
  readonly app: FastifyInstance
  readonly database: TestDatabase
  /** Every route that was registered, whoever did it. */
  readonly routes: readonly RouteOptions[]
  /** A request with an admin's token. */
  asAdmin(request: InjectOptions): Promise<LightMyRequestResponse>
  /** A request with the token of somebody who is no admin. */
  asUser(request: InjectOptions): Promise<LightMyRequestResponse>
  close(): Promise<void>
}

/** The bundled server on a database of its own, with an admin and somebody who is none. */
export async function startBundledServer(
  options: { tasks?: readonly AnyTask[]; env?: Record<string, string> } = {},
): Promise<BundledServer> {
  const database = await createTestDatabase('server')
  const config = parseConfig({ LOG_LEVEL: 'silent', ADMIN_PASSWORD: ADMIN.password, ...options.env })
  const { result: app, routes } = await recordRoutes(() =>
    buildApp(config, { databaseUrl: database.url, tasks: options.tasks ?? [] }),
  )
  await app.ready()
  await addUser(database, USER, 'user')
  const adminToken = await logIn(app, ADMIN)
  const userToken = await logIn(app, USER)
  return {
    app,
    database,
    routes,
    asAdmin: (request) => app.inject(withToken(request, adminToken)),
    asUser: (request) => app.inject(withToken(request, userToken)),
    async close() {
      await app.close()
      await database.drop()
    },
  }
}

export async function addUser(
  database: TestDatabase,
  { username, password }: { username: string; password: string },
  role: Role,
): Promise<void> {
  await insertUser(database.pool, {
    id: `id-of-${username}`,
    username,
    role,
    passwordHash: await hashPassword(password),
  })
}

export function postLogin(
  app: FastifyInstance,
  payload: { username: string; password: string },
): Promise<LightMyRequestResponse> {
  return app.inject({ method: 'POST', url: '/api/admin/auth/login', payload })
}

export async function logIn(
  app: FastifyInstance,
  credentials: { username: string; password: string },
): Promise<string> {
  const answer = await postLogin(app, credentials)
  if (answer.statusCode !== 200) throw new Error(`log-in answered ${answer.statusCode}: ${answer.body}`)
  return answer.json<{ token: string }>().token
}

export function withToken(request: InjectOptions, token: string): InjectOptions {
  return { ...request, headers: { authorization: `Bearer ${token}`, ...request.headers } }
}

/** Fastify announces each instance before anything is registered on it. */
async function recordRoutes<T>(build: () => Promise<T>): Promise<{ result: T; routes: RouteOptions[] }> {
  const routes: RouteOptions[] = []
  const listen = (message: unknown) => {
    const { fastify } = message as { fastify: FastifyInstance }
    fastify.addHook('onRoute', (route) => {
      routes.push(route)
    })
  }
  const created = channel('fastify.initialization')
  created.subscribe(listen)
  try {
    return { result: await build(), routes }
  } finally {
    created.unsubscribe(listen)
  }
}
