import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import {
  changeScheduleBody,
  createScheduleBody,
  MAX_SCHEDULE_PARAMS_BYTES,
  scheduleTicksList,
} from '../../contract/schedule.ts'
import { TaskError } from '../../engine/definition/errors.ts'
import type { TaskManager } from '../../engine/manager/manager.ts'
import { actorOf, findCallerId } from '../authorize.ts'
import {
  createdTaskAnswer,
  noBody,
  noContent,
  noQuery,
  prefixOf,
  problems,
  scheduleAnswer,
  scheduleNamePath,
  schedulesAnswer,
} from '../responses.ts'

// The largest params, plus other fields and escapes.
const bodyLimit = 4 * MAX_SCHEDULE_PARAMS_BYTES

const tags = ['schedules']

export const scheduleRoutes: FastifyPluginAsyncZod<{ manager: TaskManager }> = async (app, options) => {
  await app.register(readRoutes, options)
  await app.register(changeRoutes, options)
  await app.register(runRoute, options)
}

const one = { tags, params: scheduleNamePath, querystring: noQuery }

const readRoutes: FastifyPluginAsyncZod<{ manager: TaskManager }> = async (app, { manager }) => {
  const listSchema = {
    summary: 'List the schedules by name',
    tags,
    querystring: noQuery,
    response: { 200: schedulesAnswer, ...problems(400, 401, 403) },
  }
  app.get('/schedules', { schema: listSchema }, async () => ({
    schedules: await manager.listSchedules(),
  }))

  const readSchema = {
    summary: 'Read a schedule',
    ...one,
    response: { 200: scheduleAnswer, ...problems(400, 401, 403, 404) },
  }
  app.get('/schedules/:name', { schema: readSchema }, async ({ params: { name } }) => {
    const schedule = await manager.getSchedule(name)
    if (!schedule) throw new TaskError('SCHEDULE_NOT_FOUND', `there is no schedule ${JSON.stringify(name)}`)
    return schedule
  })

  const ticksSchema = {
    summary: 'List the newest and the next ticks of the schedules, by name',
    tags,
    querystring: noQuery,
    response: { 200: scheduleTicksList, ...problems(400, 401, 403) },
  }
  // Apart from `/schedules/…`, where each name is that of a schedule.
  app.get('/schedule-ticks', { schema: ticksSchema }, async () => ({
    schedules: await manager.listScheduleTicks(),
  }))
}

const changeRoutes: FastifyPluginAsyncZod<{ manager: TaskManager }> = async (app, { manager }) => {
  const createSchema = {
    summary: 'Create a schedule',
    tags,
    querystring: noQuery,
    body: createScheduleBody,
    response: { 201: scheduleAnswer, ...problems(400, 401, 403, 409, 413, 415) },
  }
  app.post('/schedules', { bodyLimit, schema: createSchema }, async (request, reply) => {
    const { taskType, ...options } = request.body
    await manager.requireTaskType(taskType)
    const schedule = await manager.createSchedule({ ...options, task: taskType }, actorOf(request))
    return reply
      .code(201)
      .header('location', `${prefixOf(request, app.prefix)}/schedules/${encodeURIComponent(schedule.name)}`)
      .send(schedule)
  })

  const changeSchema = {
    summary: 'Change the given fields of a schedule',
    ...one,
    body: changeScheduleBody,
    response: { 200: scheduleAnswer, ...problems(400, 401, 403, 404, 409, 413, 415) },
  }
  app.patch('/schedules/:name', { bodyLimit, schema: changeSchema }, async (request) => {
    const { taskType, ...changes } = request.body
    const actor = actorOf(request)
    if (taskType === undefined) return manager.updateSchedule(request.params.name, changes, actor)
    await manager.requireTaskType(taskType)
    return manager.updateSchedule(request.params.name, { ...changes, task: taskType }, actor)
  })

  const deleteSchema = {
    summary: 'Delete a schedule, but not its tasks',
    ...one,
    body: noBody,
    response: { 204: noContent, ...problems(400, 401, 403, 404, 409, 413, 415) },
  }
  app.delete('/schedules/:name', { schema: deleteSchema }, async (request, reply) => {
    await manager.deleteSchedule(request.params.name, actorOf(request))
    return reply.code(204).send()
  })
}

const runRoute: FastifyPluginAsyncZod<{ manager: TaskManager }> = async (app, { manager }) => {
  const runSchema = {
    summary: 'Create a task of a schedule now, even if it is disabled',
    ...one,
    body: noBody,
    response: { 201: createdTaskAnswer, ...problems(400, 401, 403, 404, 413, 415) },
  }
  app.post('/schedules/:name/run', { schema: runSchema }, async (request, reply) => {
    const options = { createdBy: findCallerId(request), ...actorOf(request) }
    const created = await manager.runSchedule(request.params.name, options)
    return reply
      .code(201)
      .header('location', `${prefixOf(request, app.prefix)}/tasks/${created.taskId}`)
      .send(created)
  })
}
