import type { FastifyInstance, FastifyRequest } from 'fastify'
import { HttpProblem } from './problems.ts'

/** Who asks. The id is kept with the tasks they create, as text. */
export interface Asker {
  id: string | number | bigint
}

/** Says who asks, or throws an error whose `statusCode` is 401 or 403. */
export type Authorize = (request: FastifyRequest) => Asker | Promise<Asker>

const ASKER = 'asyncTasksAsker'

/** Lets nobody into this scope, its 404s included, without the host's consent. */
export function guard(app: FastifyInstance, authorize: Authorize | false): void {
  app.decorateRequest(ASKER, null)
  if (authorize === false) return
  app.addHook('onRequest', async (request) => {
    // A host's JavaScript may return anything; only somebody with an id gets in.
    const asker: Asker | null | undefined = await authorize(request)
    if (asker?.id === undefined || asker.id === null) {
      throw new HttpProblem(401, 'UNAUTHENTICATED', 'log in first')
    }
    request.setDecorator(ASKER, String(asker.id))
  })
}

/** The asker's id; null where the host guards the routes by itself. */
export function findAskerId(request: FastifyRequest): string | null {
  return request.getDecorator<string | null>(ASKER)
}
