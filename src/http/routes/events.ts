import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { watchTasksQuery } from '../../contract/requests.ts'
import type { FollowOptions, TaskFeed } from '../../engine/feed/feed.ts'
import { findCaller, type Reauthorize } from '../authorize.ts'
import { EventStreams } from '../event-stream.ts'
import { noQuery, problems, taskIdPath } from '../responses.ts'
import { creatorFor, findOwnerId } from '../roles.ts'
import { whileAuthorized } from '../while-authorized.ts'

/** @fastify/compress would buffer events, and a host's limit for handlers would cut streams, which have one of their own. */
const streaming = { compress: false, handlerTimeout: 3_600_000 } as const
const tags = ['tasks']

/** Empty: the client has received nothing. */
const resumption = z.looseObject({
  'last-event-id': z.coerce.number().int().min(0).default(0).describe('Id of the last line received.'),
})

const events = (description: string) => ({
  description,
  content: { 'text/event-stream': { schema: z.string() } },
})

export interface EventRoutesOptions {
  feed: TaskFeed
  reauthorize: Reauthorize
}

export const eventRoutes: FastifyPluginAsyncZod<EventRoutesOptions> = async (app, options) => {
  const { feed, reauthorize } = options
  const streams = new EventStreams(app)

  const allSchema = {
    summary: 'Follow all tasks',
    tags,
    querystring: watchTasksQuery,
    response: {
      200: events(
        '`task`: a task as in the list, first the running ones, then every change. `deleted`: the `taskId` of a deleted ' +
          'task. `type`: a `taskType` that was paused or resumed, and `paused`; not with `createdBy`.',
      ),
      ...problems(400, 401, 403, 429),
    },
  }
  app.get('/tasks/events', { ...streaming, schema: allSchema }, async (request, reply) => {
    const createdBy = creatorFor(request, request.query.createdBy)
    const follow = ({ signal, ...options }: FollowOptions) =>
      feed.followAll({ ...options, signal: whileAuthorized(request, signal, reauthorize), createdBy })
    await streams.send(request, reply, follow, findCaller(request))
    return reply
  })

  const oneSchema = {
    summary: 'Follow a task and its log',
    tags,
    params: taskIdPath,
    querystring: noQuery,
    headers: resumption,
    response: {
      200: events(
        '`task`: the task in detail; `step`: a step that was finished; `log`: a line of its log; `end`: the finished task.',
      ),
      ...problems(400, 401, 403, 404, 429),
    },
  }
  app.get('/tasks/:taskId/events', { ...streaming, schema: oneSchema }, async (request, reply) => {
    const { taskId } = request.params
    const afterId = request.headers['last-event-id']
    const createdBy = findOwnerId(request)
    const follow = ({ signal, ...options }: FollowOptions) =>
      feed.follow(taskId, {
        ...options,
        signal: whileAuthorized(request, signal, reauthorize),
        afterId,
        createdBy,
      })
    await streams.send(request, reply, follow, findCaller(request))
    return reply
  })
}
