import { type FastifyPluginAsyncZod, jsonSchemaTransform } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { type Health, healthWithoutNames } from '../contract/health.ts'
import { problem } from '../contract/problem.ts'
import { isTransient } from '../db/errors.ts'
import { describeError } from '../engine/definition/outcome.ts'
import { databaseAway } from '../engine/manager/health-rules.ts'
import { trackMethods } from './allowed-methods.ts'
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
  /** Of all processes. */
  readHealth: () => Promise<Health>
}

const config = { swaggerTransform: jsonSchemaTransform }
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
  health: healthWithoutNames
    .optional()
    .describe(
      'With `verbose`: whether tasks run, in time and with success, in all processes; no reason by itself.',
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
  const { findDatabaseProblem, executorReasons, executorWarnings, stuckTasks, readHealth } = options
  prepareScope(app)
  const refuseOtherMethods = trackMethods(app)

  app.get('/live', { config, schema: liveSchema }, async () => ({ status: 'ok' as const }))

  app.get('/ready', { config, schema: readySchema }, async (request, reply) => {
    const database = await findDatabaseProblem()
    const { verbose = 'false' } = request.query
    const reasons = [...(database === undefined ? [] : [database]), ...executorReasons()]
    const warnings = executorWarnings?.() ?? []
    const details = {
      reasons,
      ...(warnings.length > 0 && { warnings: [...warnings] }),
      stuck: [...stuckTasks()],
      ...(verbose !== 'false' && { health: await healthIn(database, readHealth) }),
    }
    if (reasons.length === 0) return { status: 'ok' as const, ...details }
    const problem = { ...makeProblem(503, 'NOT_READY', reasons.join('; ')), ...details }
    return reply.code(503).type('application/problem+json').serializer(JSON.stringify).send(problem)
  })

  refuseOtherMethods()
}

/** Everybody may ask: what the reasons name is left out. */
async function healthIn(databaseProblem: string | undefined, readHealth: HealthOptions['readHealth']) {
  const { level, reasons } =
    databaseProblem === undefined ? await readOrAway(readHealth) : databaseAway(databaseProblem)
  return { level, reasons: reasons.map(({ evidence: _names, ...reason }) => reason) }
}

async function readOrAway(readHealth: HealthOptions['readHealth']): Promise<Health> {
  try {
    return await readHealth()
  } catch (error) {
    if (!isTransient(error)) throw error
    return databaseAway(describeError(error))
  }
}
