import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { trackMethods } from './allowed-methods.ts'
import { requireBearer } from './bearer.ts'
import { noQuery, problems } from './responses.ts'
import { prepareScope } from './scope.ts'

export interface MetricsOptions {
  /** In Prometheus' text format. */
  metrics: { readonly contentType: string; read(): Promise<string> }
  /** Undefined: no credentials are needed. */
  token: string | undefined
}

const schema = {
  summary: 'Metrics of the process and its tasks, for Prometheus',
  description: 'Needs the token that METRICS_TOKEN sets, if it is set: `Authorization: Bearer …`.',
  tags: ['health'],
  security: [],
  querystring: noQuery,
  response: {
    200: {
      description: "The metrics in Prometheus' text format.",
      content: { 'text/plain': { schema: z.string() } },
    },
    ...problems(400, 401),
  },
}

export const metricsRoute: FastifyPluginAsyncZod<MetricsOptions> = async (app, { metrics, token }) => {
  prepareScope(app)
  if (token !== undefined) app.addHook('onRequest', async (request) => requireBearer(request, token))
  const refuseOtherMethods = trackMethods(app)
  app.get('/metrics', { schema }, async (_request, reply) => {
    const text = await metrics.read()
    return reply.type(metrics.contentType).send(text)
  })
  refuseOtherMethods()
}
