import type { FastifyInstance } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { handleError } from './error-handling.ts'
import { readJsonBodies } from './json-body.ts'

/** Sets zod schemas, JSON bodies, problem details and no caching for a scope alone. */
export function prepareScope(app: FastifyInstance): void {
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  // A host's serializer would replace those above. The type does not allow undefined.
  app.setReplySerializer(undefined as never)
  app.setErrorHandler(handleError)
  readJsonBodies(app)
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })
}
