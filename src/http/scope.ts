import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { handleError } from './error-handling.ts'
import { readJsonBodies } from './json-body.ts'
import { HttpProblem } from './problems.ts'

/** Responses are data: a browser that is made to open one keeps it nowhere and shows it as nothing else. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** Sets zod schemas, JSON bodies, problem details and no caching for a scope alone. */
export function prepareScope(app: FastifyInstance): void {
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  // A host's serializer would replace those above. The type does not allow undefined.
  app.setReplySerializer(undefined as never)
  app.setErrorHandler(handleError)
  // Per route, because a host's document may use another transform.
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, swaggerTransform: jsonSchemaTransform }
  })
  readJsonBodies(app)
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(HEADERS)
  })
  app.addHook('preParsing', async ({ headers }) => {
    const encoding = headers['content-encoding']
    if (encoding === undefined || encoding.toLowerCase() === 'identity') return
    throw new HttpProblem(415, 'UNSUPPORTED_MEDIA_TYPE', 'send the body without Content-Encoding')
  })
}
