import type { FastifyInstance } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { handleError } from './error-handling.ts'
import { readJsonBodies } from './json-body.ts'

/**
 * Makes a scope speak our way: zod schemas, JSON bodies, problem details, and nothing kept by caches. Outside the
 * scope everything stays as it was.
 */
export function prepareScope(app: FastifyInstance): void {
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  // None: with one of the host's, Fastify would leave out the serializers above. The type does not know that.
  app.setReplySerializer(undefined as never)
  app.setErrorHandler(handleError)
  readJsonBodies(app)
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })
}
