import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { changeTaskBody, createTaskBody, retryTaskBody } from '../../contract/requests.ts'
import type { TaskManager } from '../../engine/manager/manager.ts'
import { actorOf, findCallerId } from '../authorize.ts'
import {
  createdTaskAnswer,
  noBody,
  noContent,
  noQuery,
  prefixOf,
  problems,
  taskAnswer,
  taskIdPath,
} from '../responses.ts'

/** For fields other than the params, escapes and white space. */
const ROOM_BYTES = 1_536 * 1024

const tags = ['tasks']

const steerSchema = {
  tags,
  params: taskIdPath,
  querystring: noQuery,
  body: noBody,
  response: { 200: taskAnswer, ...problems(400, 401, 403, 404, 409, 413, 415) },
}

export const changeTaskRoutes: FastifyPluginAsyncZod<{ manager: TaskManager }> = async (app, { manager }) => {
  const bodyLimit = manager.maxParamsBytes + ROOM_BYTES

  const createSchema = {
    summary: 'Create a task',
    tags,
    querystring: noQuery,
    body: createTaskBody,
    response: {
      201: createdTaskAnswer,
      200: createdTaskAnswer.describe('An unfinished task has the uniqueKey: this one.'),
      ...problems(400, 401, 403, 409, 413, 415),
    },
  }
  app.post('/tasks', { bodyLimit, schema: createSchema }, async (request, reply) => {
    const { taskType, params, ...options } = request.body
    await manager.requireTaskType(taskType)
    const created = await manager.createTask(taskType, params, {
      ...options,
      createdBy: findCallerId(request),
      ...actorOf(request),
    })
    return reply
      .code(created.created ? 201 : 200)
      .header('location', `${prefixOf(request, app.prefix)}/tasks/${created.taskId}`)
      .send(created)
  })

  const deleteSchema = {
    summary: 'Delete a finished task and its log',
    tags,
    params: taskIdPath,
    querystring: noQuery,
    body: noBody,
    response: { 204: noContent, ...problems(400, 401, 403, 404, 409, 413, 415) },
  }
  app.delete('/tasks/:taskId', { schema: deleteSchema }, async (request, reply) => {
    await manager.deleteTask(request.params.taskId, actorOf(request))
    return reply.code(204).send()
  })

  const cancelSchema = { summary: 'Cancel a pending or running task', ...steerSchema }
  app.post('/tasks/:taskId/cancel', { schema: cancelSchema }, async (request) =>
    manager.cancelTask(request.params.taskId, actorOf(request)),
  )

  const retrySchema = { summary: 'Make a finished task pending again', ...steerSchema, body: retryTaskBody }
  app.post('/tasks/:taskId/retry', { schema: retrySchema }, async (request) =>
    manager.retryTask(request.params.taskId, { ...request.body, ...actorOf(request) }),
  )

  await app.register(waitingTaskRoutes, { manager })
}

/** Only for pending tasks. */
const waitingTaskRoutes: FastifyPluginAsyncZod<{ manager: TaskManager }> = async (app, { manager }) => {
  const bodyLimit = manager.maxParamsBytes + ROOM_BYTES
  const changeSchema = {
    summary: 'Change params, priority or due time of a pending task',
    tags,
    params: taskIdPath,
    querystring: noQuery,
    body: changeTaskBody,
    response: { 200: taskAnswer, ...problems(400, 401, 403, 404, 409, 413, 415) },
  }
  app.patch('/tasks/:taskId', { bodyLimit, schema: changeSchema }, async (request) =>
    manager.updateTask(request.params.taskId, request.body, actorOf(request)),
  )

  const runNowSchema = { summary: 'Make a pending task due at once', ...steerSchema }
  app.post('/tasks/:taskId/run-now', { schema: runNowSchema }, async (request) =>
    manager.runNow(request.params.taskId, actorOf(request)),
  )
}
