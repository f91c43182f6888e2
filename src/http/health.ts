import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { type Health, healthForAll } from '../contract/health.ts'
import { problem } from '../contract/problem.ts'
import { isTransient } from '../db/errors.ts'
import { databaseAway } from '../engine/manager/health-rules.ts'
import { trackMethods } from './allowed-methods.ts'
import { hasBearer } from './bearer.ts'
import { makeProblem } from './problems.ts'
import { noQuery, problems } from './responses.ts'
import { prepareScope } from './scope.ts'

export interface HealthOptions {
  /** Undefined: the database responds. */
  findDatabaseProblem: () => Promise<string | undefined>
  /** Empty: tasks run here. */
  executorReasons: () => readonly string[]
  executorWarnings?: () => readonly string[]
  /** Tasks that ignore their signal; each occupies a slot. */
  stuckTasks: () => readonly string[]
  /** Who has it sees more than codes in `health`. Undefined: nobody does. */
  token: string | undefined
  /** Of all processes. */
  readHealth: () => Promise<Health>
}

const tags = ['health']

const liveSchema = {
  summary: 'Whether the process responds',
  tags,
  security: [],
  querystring: noQuery,
  response: { 200: z.object({ status: z.literal('ok') }), ...problems(400) },
}
const details = {
  reasons: z.array(z.string()),
  warnings: z
    .array(z.string())
    .optional()
    .describe("What makes tasks wait, such as a database's clock that went back; no reason by itself."),
  stuck: z.array(z.string()).describe('Tasks whose handlers ignore their signal; no reason by itself.'),
  health: healthForAll
    .optional()
    .describe(
      'With `verbose`: whether tasks run, in time and with success, in all processes; no reason by itself. ' +
        'Of its reasons, the codes alone; all of them with the token that METRICS_TOKEN sets: `Authorization: Bearer …`.',
    ),
}
const readyQuery = z.strictObject({
  verbose: z.enum(['', 'true', 'false']).optional().describe('`health` is in the response.'),
})
const notReady = problem.extend(details)
const readySchema = {
  summary: 'Whether the process can serve requests and run tasks',
  tags,
  security: [],
  querystring: readyQuery,
  response: {
    200: z.object({ status: z.literal('ok'), ...details }),
    ...problems(400),
    503: {
      description: 'Not ready; `reasons` lists why.',
      content: { 'application/problem+json': { schema: notReady } },
    },
  },
}

export const healthRoutes: FastifyPluginAsyncZod<HealthOptions> = async (app, options) => {
  const { findDatabaseProblem, executorReasons, executorWarnings, stuckTasks, token, readHealth } = options
  prepareScope(app)
  const refuseOtherMethods = trackMethods(app)

  app.get('/live', { schema: liveSchema }, async () => ({ status: 'ok' as const }))

  app.get('/ready', { schema: readySchema }, async (request, reply) => {
    const database = await findDatabaseProblem()
    const { verbose = 'false' } = request.query
    const reasons = [...(database === undefined ? [] : [database]), ...executorReasons()]
    const warnings = executorWarnings?.() ?? []
    const isKnown = token !== undefined && hasBearer(request, token)
    const show = isKnown ? (health: Health) => health : withoutDetails
    const details = {
      reasons,
      ...(warnings.length > 0 && { warnings: [...warnings] }),
      stuck: [...stuckTasks()],
      ...(verbose !== 'false' && {
        health: show(database === undefined ? await readOrAway(readHealth) : databaseAway()),
      }),
    }
    if (reasons.length === 0) return { status: 'ok' as const, ...details }
    const problem = { ...makeProblem(503, 'NOT_READY', reasons.join('; ')), ...details }
    return reply.code(503).type('application/problem+json').serializer(JSON.stringify).send(problem)
  })

  refuseOtherMethods()
}

function withoutDetails({ level, reasons }: Health) {
  return { level, reasons: reasons.map(({ code }) => ({ code })) }
}

async function readOrAway(readHealth: HealthOptions['readHealth']): Promise<Health> {
  try {
    return await readHealth()
  } catch (error) {
    if (!isTransient(error)) throw error
    return databaseAway()
  }
}
