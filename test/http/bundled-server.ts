import { randomBytes, scryptSync } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse, RouteOptions } from 'fastify'
import type { FirstPassword } from '../../src/accounts/first-password.ts'
import { hashPassword } from '../../src/accounts/passwords.ts'
import { insertUser } from '../../src/accounts/store/users.ts'
import type { Role } from '../../src/accounts/user.ts'
import { buildApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import type { AnyTask } from '../../src/engine/definition/task-reference.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

export const ADMIN = { username: 'admin', password: 'correct horse battery staple' }
export const VIEWER = { username: 'viewer', password: 'looks at all of it' }
export const USER = { username: 'visitor', password: 'only looking' }

export interface BundledServer {
  readonly app: FastifyInstance
  readonly database: TestDatabase
  /** Every route that was registered, whoever did it. */
  readonly routes: readonly RouteOptions[]
  /** A request with an admin's token. */
  asAdmin(request: InjectOptions): Promise<LightMyRequestResponse>
  asViewer(request: InjectOptions): Promise<LightMyRequestResponse>
  /** A request with the token of somebody who has no role any more. */
  asUser(request: InjectOptions): Promise<LightMyRequestResponse>
  close(): Promise<void>
}

interface BundledServerOptions {
  tasks?: readonly AnyTask[]
  env?: Record<string, string>
  /** Receives the lines of the log, from level `info` on. */
  onLogLine?: (line: string) => void
  /** What a log-in of these users costs: by default next to nothing, `real` what it costs in production. */
  hashes?: 'cheap' | 'real'
  firstPassword?: FirstPassword
}

/** The bundled server on a database of its own, with an admin and somebody who is none. */
export async function startBundledServer(options: BundledServerOptions = {}): Promise<BundledServer> {
  const database = await createTestDatabase('server')
  const hash = options.hashes === 'real' ? hashPassword : hashCheaply
  await addUser(database, ADMIN, 'admin', hash)
  await addUser(database, VIEWER, 'viewer', hash)
  await addUser(database, USER, 'user', hash)
  const config = parseConfig({ LOG_LEVEL: 'silent', ADMIN_PASSWORD: ADMIN.password, ...options.env })
  const { result: app, routes } = await recordRoutes(() =>
    buildApp(config, {
      databaseUrl: database.url,
      tasks: options.tasks ?? [],
      ...(options.onLogLine && { logger: { level: 'info', stream: { write: options.onLogLine } } }),
      ...(options.firstPassword && { firstPassword: options.firstPassword }),
    }),
  )
  await app.ready()
  const adminToken = await logIn(app, ADMIN)
  const viewerToken = await logIn(app, VIEWER)
  const userToken = await logIn(app, USER)
  return {
    app,
    database,
    routes,
    asAdmin: (request) => app.inject(withToken(request, adminToken)),
    asViewer: (request) => app.inject(withToken(request, viewerToken)),
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
  hash: (password: string) => string | Promise<string> = hashPassword,
): Promise<void> {
  const passwordHash = await hash(password)
  await insertUser(database.pool, { id: `id-of-${username}`, username, role, passwordHash })
}

/** A hash that `verifyPassword` checks like any other: its cost is its own. */
function hashCheaply(password: string): string {
  const salt = randomBytes(16)
  const hash = scryptSync(password, salt, 32, { N: 2, r: 1, p: 1 })
  const [encodedSalt, encodedHash] = [salt, hash].map((bytes) => bytes.toString('base64').replaceAll('=', ''))
  return `$scrypt$ln=1,r=1,p=1$${encodedSalt}$${encodedHash}`
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
