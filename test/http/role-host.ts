import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance, type InjectOptions, type LightMyRequestResponse } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import type { AnyTask } from '../../src/engine/definition/task-reference.ts'
import type { Asker, Authorize } from '../../src/http/authorize.ts'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

/** An app whose users have roles: each request says in its headers who asks. */
export interface RoleHost {
  readonly app: FastifyInstance
  readonly database: TestDatabase
  /** Method and path below the prefix of each route; not those that only answer 405, nor the HEAD of a GET. */
  readonly routes: readonly string[]
  as(user: Asker, request: InjectOptions): Promise<LightMyRequestResponse>
  close(): Promise<void>
}

export const PREFIX = '/ops'

const byHeaders: Authorize = ({ headers }) => JSON.parse(String(headers['x-user'])) as Asker

export const headersOf = (user: Asker) => ({ 'x-user': JSON.stringify(user) })

export async function startRoleHost(tasks: readonly AnyTask[]): Promise<RoleHost> {
  const database = await createTestDatabase()
  const app = Fastify({ pluginTimeout: 0 })
  const routes: string[] = []
  app.addHook('onRoute', ({ url, method, schema }) => {
    if (!url.startsWith(PREFIX) || schema?.hide || method === 'HEAD') return
    routes.push(`${String(method)} ${url.slice(PREFIX.length)}`)
  })
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'host', version: '1' } },
    transform: jsonSchemaTransform,
  })
  await app.register(asyncTasks, {
    connectionString: database.url,
    directConnectionString: database.directUrl,
    prepared: database.prepared,
    tasks,
    prefix: PREFIX,
    authorize: byHeaders,
    migrate: false,
    concurrency: 20,
  })
  await app.ready()
  return {
    app,
    database,
    routes,
    as: (user, request) => app.inject({ ...request, headers: { ...headersOf(user), ...request.headers } }),
    async close() {
      await app.close()
      await database.drop()
    },
  }
}
