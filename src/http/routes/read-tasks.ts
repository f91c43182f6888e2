import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import {
  type ListTasksQuery,
  listLogsQuery,
  listTasksQuery,
  MAX_OFFSET_ROWS,
} from '../../contract/requests.ts'
import { taskList } from '../../contract/task.ts'
import { taskNotFound } from '../../engine/definition/errors.ts'
import type { TaskManager } from '../../engine/manager/manager.ts'
import { HttpProblem } from '../problems.ts'
import { noQuery, problems, taskAnswer, taskIdPath, taskLogAnswer } from '../responses.ts'
import { creatorFor } from '../roles.ts'

const tags = ['tasks']

export const readTaskRoutes: FastifyPluginAsyncZod<{ manager: TaskManager }> = async (app, { manager }) => {
  const listSchema = {
    summary: 'List tasks, newest first',
    tags,
    querystring: listTasksQuery,
    response: { 200: taskList, ...problems(400, 401, 403) },
  }
  app.get('/tasks', { schema: listSchema }, async (request) => {
    refuseDeepPages(request.query)
    const createdBy = creatorFor(request, request.query.createdBy)
    return manager.listTasks({ ...request.query, createdBy })
  })

  const detailSchema = {
    summary: 'Read a task with its params, result and attempts',
    tags,
    params: taskIdPath,
    querystring: noQuery,
    response: { 200: taskAnswer, ...problems(400, 401, 403, 404) },
  }
  app.get('/tasks/:taskId', { schema: detailSchema }, async ({ params: { taskId } }) => {
    const task = await manager.getTask(taskId)
    if (!task) throw taskNotFound(taskId)
    return task
  })

  const logsSchema = {
    summary: "Read a task's log",
    tags,
    params: taskIdPath,
    querystring: listLogsQuery,
    response: { 200: taskLogAnswer, ...problems(400, 401, 403, 404) },
  }
  app.get('/tasks/:taskId/logs', { schema: logsSchema }, async (request) =>
    manager.listLogs(request.params.taskId, request.query),
  )
}

/** Skipping rows costs as much as reading them. */
function refuseDeepPages({ page, pageSize, cursor }: ListTasksQuery): void {
  if (cursor !== undefined || page * pageSize <= MAX_OFFSET_ROWS) return
  const detail = `pages end at row ${MAX_OFFSET_ROWS}: go on with the cursor of the page before`
  throw new HttpProblem(400, 'USE_CURSOR', detail, { errors: [{ pointer: '/page', detail }] })
}
