import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { executorRuns } from '../../contract/task.ts'
import { TaskError } from '../../engine/definition/errors.ts'
import type { TaskManager } from '../../engine/manager/manager.ts'
import { actorOf } from '../authorize.ts'
import { HttpProblem } from '../problems.ts'
import {
  executorIdPath,
  executorsAnswer,
  noBody,
  noQuery,
  problems,
  taskTypeAnswer,
  taskTypePath,
  taskTypesAnswer,
} from '../responses.ts'

export const overviewRoutes: FastifyPluginAsyncZod<{ manager: TaskManager }> = async (app, { manager }) => {
  app.get(
    '/task-types',
    {
      schema: {
        summary: 'List the registered task types',
        tags: ['task types'],
        querystring: noQuery,
        response: { 200: taskTypesAnswer, ...problems(400, 401, 403) },
      },
    },
    async () => ({ taskTypes: await manager.listTaskTypes() }),
  )

  const steerSchema = {
    tags: ['task types'],
    params: taskTypePath,
    querystring: noQuery,
    body: noBody,
    response: { 200: taskTypeAnswer, ...problems(400, 401, 403, 404, 409, 413, 415) },
  }
  const pauseSchema = { summary: 'Pause a task type: none of its tasks starts', ...steerSchema }
  app.post('/task-types/:taskType/pause', { schema: pauseSchema }, async (request) =>
    orNotFound(() => manager.pauseTaskType(request.params.taskType, actorOf(request))),
  )

  const resumeSchema = { summary: 'Resume a paused task type', ...steerSchema }
  app.post('/task-types/:taskType/resume', { schema: resumeSchema }, async (request) =>
    orNotFound(() => manager.resumeTaskType(request.params.taskType, actorOf(request))),
  )

  app.get(
    '/executors',
    {
      schema: {
        summary: 'List the executors',
        tags: ['executors'],
        querystring: noQuery,
        response: { 200: executorsAnswer, ...problems(400, 401, 403) },
      },
    },
    async () => ({ executors: await manager.listExecutors() }),
  )

  const runsSchema = {
    summary: 'List what an executor runs, and what it ran in the last 15 minutes',
    tags: ['executors'],
    params: executorIdPath,
    querystring: noQuery,
    response: { 200: executorRuns, ...problems(400, 401, 403) },
  }
  app.get('/executors/:executorId/runs', { schema: runsSchema }, async (request) =>
    manager.listExecutorRuns(request.params.executorId),
  )
}

/** 404 for an unknown type in a path; in a body it is an invalid value. */
async function orNotFound<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof TaskError) || error.code !== 'UNKNOWN_TASK_TYPE') throw error
    throw new HttpProblem(404, error.code, error.message, { errors: error.problems })
  }
}
