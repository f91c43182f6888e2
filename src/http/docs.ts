import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'

export interface DocsOptions {
  version: string
  cookieName: string
}

async function docs(app: FastifyInstance, { version, cookieName }: DocsOptions): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'fastify-async-tasks',
        version,
        description:
          'Errors are RFC 9457 problem details; `code` is stable, `errors` lists the invalid fields.',
      },
      // Relative: correct under any address.
      servers: [{ url: '/' }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'The token of POST /auth/login.' },
          cookie: { type: 'apiKey', in: 'cookie', name: cookieName },
        },
      },
      security: [{ bearer: [] }, { cookie: [] }],
    },
    transform: jsonSchemaTransform,
  })
  // The validator's badge would send the document's address to a third party.
  await app.register(swaggerUi, { routePrefix: '/docs', uiConfig: { validatorUrl: null } })
}

/** The OpenAPI document at /docs/json and a page to read it at /docs. Register it before the routes. */
export default fp(docs, { name: 'docs', fastify: '5.x' })
