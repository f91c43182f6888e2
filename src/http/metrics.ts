import { type FastifyPluginAsyncZod, jsonSchemaTransform } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { trackMethods } from './allowed-methods.ts'
import { noQuery, problems } from './responses.ts'
import { prepareScope } from './scope.ts'

export interface MetricsOptions {
  /** In Prometheus' text format. */
  metrics: { readonly contentType: string; read(): Promise<string> }
}

const config = { swaggerTransform: jsonSchemaTransform }
const schema = {
  summary: 'Metrics of the process and its tasks, for Prometheus',
  tags: ['health'],
  security: [],
  querystring: noQuery,
  response: {
    200: {
      description: "The metrics in Prometheus' text format.",
      content: { 'text/plain': { schema: z.string() } },
    },
    ...problems(400),
  },
}

export const metricsRoute: FastifyPluginAsyncZod<MetricsOptions> = async (app, { metrics }) => {
  prepareScope(app)
  const refuseOtherMethods = trackMethods(app)
  app.get('/metrics', { config, schema }, async (_request, reply) => {
    const text = await metrics.read()
    return reply.type(metrics.contentType).send(text)
  })
  refuseOtherMethods()
}
