import type { FastifyPluginAsync } from 'fastify'
import type { TaskFeed } from '../engine/feed/feed.ts'
import type { TaskManager } from '../engine/manager/manager.ts'
import { trackMethods } from './allowed-methods.ts'
import { recordRefusals } from './audit.ts'
import { type GuardOptions, guard } from './authorize.ts'
import { handleNotFound } from './error-handling.ts'
import { HttpProblem } from './problems.ts'
import { limitRoles } from './roles.ts'
import { auditRoute } from './routes/audit.ts'
import { changeTaskRoutes } from './routes/change-tasks.ts'
import { errorGroupRoutes } from './routes/error-groups.ts'
import { eventRoutes } from './routes/events.ts'
import { figureRoutes } from './routes/figures.ts'
import { manyTasksRoutes } from './routes/many-tasks.ts'
import { meRoute } from './routes/me.ts'
import { overviewRoutes } from './routes/overview.ts'
import { readTaskRoutes } from './routes/read-tasks.ts'
import { scheduleRoutes } from './routes/schedules.ts'
import { prepareScope } from './scope.ts'

export interface AdminRoutesOptions extends GuardOptions {
  manager: TaskManager
  feed: TaskFeed
  /** False while the database's tables are being created. */
  isOpen: () => boolean
}

/** The REST interface, in a scope of its own: it affects nothing outside its prefix. */
export const adminRoutes: FastifyPluginAsync<AdminRoutesOptions> = async (app, options) => {
  const { manager, feed } = options
  prepareScope(app)
  app.addHook('onRequest', async () => {
    if (options.isOpen()) return
    const headers = { 'retry-after': '5' }
    throw new HttpProblem(503, 'DATABASE_UNAVAILABLE', 'the database is not ready yet; try again later', {
      headers,
    })
  })
  const reauthorize = guard(app, options)
  limitRoles(app, manager)
  recordRefusals(app, manager)
  app.setNotFoundHandler(handleNotFound)
  const refuseOtherMethods = trackMethods(app)
  await app.register(meRoute)
  await app.register(readTaskRoutes, { manager })
  await app.register(changeTaskRoutes, { manager })
  await app.register(eventRoutes, { feed, reauthorize })
  await app.register(manyTasksRoutes, { manager })
  await app.register(figureRoutes, { manager })
  await app.register(overviewRoutes, { manager })
  await app.register(errorGroupRoutes, { manager })
  await app.register(scheduleRoutes, { manager })
  await app.register(auditRoute, { manager })
  refuseOtherMethods()
}
