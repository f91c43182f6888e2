import type { FastifyInstance, HTTPMethods } from 'fastify'
import { HttpProblem } from './problems.ts'

const METHODS: readonly HTTPMethods[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/**
 * Responds 405 to a wrong method on a known path. Call it before the routes, the returned function after them. OPTIONS
 * stays free for a host's CORS.
 */
export function trackMethods(app: FastifyInstance): () => void {
  const known = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ routePath, method }) => {
    const methods = known.get(routePath) ?? new Set()
    for (const one of [method].flat()) methods.add(one)
    known.set(routePath, methods)
  })
  return () => {
    for (const [url, methods] of [...known]) {
      const allow = [...methods].sort().join(', ')
      app.route({
        url,
        method: METHODS.filter((method) => !methods.has(method)),
        schema: { hide: true },
        handler: async (request) => {
          throw new HttpProblem(
            405,
            'METHOD_NOT_ALLOWED',
            `${request.method} is not possible here, only ${allow}`,
            {
              headers: { allow },
            },
          )
        },
      })
    }
  }
}
