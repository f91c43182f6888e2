import type { FastifyPluginAsync } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { TaskManager } from '../tasks/manager.ts'
import { trackMethods } from './allowed-methods.ts'
import { type Authorize, guard } from './authorize.ts'
import { handleError, handleNotFound } from './error-handling.ts'
import { readJsonBodies } from './json-body.ts'
import { changeTaskRoutes } from './routes/change-tasks.ts'
import { overviewRoutes } from './routes/overview.ts'
import { readTaskRoutes } from './routes/read-tasks.ts'

export interface AdminRoutesOptions {
  manager: TaskManager
  authorize: Authorize | false
}

/**
 * The REST interface, as a scope of its own: validators, body parser, error and 404 handlers hold inside the
 * prefix it is registered under and nowhere else, so that a host's app stays as it was.
 */
export const adminRoutes: FastifyPluginAsync<AdminRoutesOptions> = async (app, { manager, authorize }) => {
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler(handleError)
  readJsonBodies(app)
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })
  guard(app, authorize)
  app.setNotFoundHandler(handleNotFound)
  const answerOtherMethods = trackMethods(app)
  await app.register(readTaskRoutes, { manager })
  await app.register(changeTaskRoutes, { manager })
  await app.register(overviewRoutes, { manager })
  answerOtherMethods()
}
