import type { LogQuery, TaskQuery } from '../../contract/given.ts'
import { MAX_EXACT_TOTAL } from '../../contract/requests.ts'
import type { TaskDetail, TaskList, TaskLogPage } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import { logQuery, requireValid, taskQuery } from '../create/arguments.ts'
import { taskNotFound } from '../definition/errors.ts'
import { TASK_ID } from '../definition/lifecycle.ts'
import type { Redaction } from '../definition/redaction.ts'
import type { TaskFilter } from '../store/list-branches.ts'
import {
  countLogs,
  countTasks,
  findStatuses,
  findTask,
  listLogs,
  listTasks,
  searchIds,
  searchLogs,
} from '../store/read.ts'
import { toLogLine } from '../store/rows.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { type ListPage, searchList, toListed, toSearch } from './task-search.ts'

export type { LogQuery, TaskQuery } from '../../contract/given.ts'

const DEFAULT_PAGE_SIZE = 50

export class TaskReader {
  readonly #db: Database
  readonly #redaction: Redaction

  constructor(db: Database, redaction: Redaction) {
    this.#db = db
    this.#redaction = redaction
  }

  async find(taskId: string): Promise<TaskDetail | undefined> {
    const task = TASK_ID.test(taskId) ? await findTask(this.#db, taskId) : undefined
    return task && this.#redaction.hide(task)
  }

  /** @throws TaskError `TASK_NOT_FOUND` */
  async require(taskId: string): Promise<TaskDetail> {
    const task = await this.find(taskId)
    if (!task) throw taskNotFound(taskId)
    return task
  }

  async list(query: TaskQuery): Promise<TaskList> {
    requireValid('list query', taskQuery, query)
    const { page = 1, pageSize = DEFAULT_PAGE_SIZE, cursor, ...given } = query
    const after = cursor === undefined ? undefined : decodeCursor(cursor)
    const { error, param, uniqueKey, executorId, sort, ...filter } = given
    const search = toSearch({ error, param, uniqueKey, executorId, sort }, this.#redaction)
    const parts = { db: this.#db, redaction: this.#redaction }
    if (search) return searchList(parts, filter, search, { page, pageSize, after, offset: after?.offset })
    return this.#list(filter, { page, pageSize, after })
  }

  async #list(
    filter: TaskFilter,
    { page, pageSize, after }: Pick<ListPage, 'page' | 'pageSize' | 'after'>,
  ): Promise<TaskList> {
    const offset = after ? 0 : (page - 1) * pageSize
    const search = await searchIds(this.#db, filter)
    // One more row than the page shows whether another page follows.
    const [rows, count] = await Promise.all([
      listTasks(this.#db, filter, { limit: pageSize + 1, offset, after }, search),
      countTasks(this.#db, filter, search),
    ])
    const shown = rows.slice(0, pageSize)
    const last = shown.at(-1)
    return {
      tasks: shown.map((row) => toListed(row, this.#redaction)),
      total: Math.min(count, MAX_EXACT_TOTAL),
      ...(count > MAX_EXACT_TOTAL ? { totalIsEstimate: true as const } : {}),
      page,
      pageSize,
      nextCursor: rows.length > pageSize && last ? encodeCursor(last) : null,
    }
  }

  async listLogs(taskId: string, query: LogQuery): Promise<TaskLogPage> {
    requireValid('log query', logQuery, query)
    // Reads the status alone: params may be megabytes, and followers read page after page.
    const exists = TASK_ID.test(taskId) && (await findStatuses(this.#db, [taskId])).has(taskId)
    if (!exists) throw taskNotFound(taskId)
    const {
      page = 1,
      pageSize = DEFAULT_PAGE_SIZE,
      order = 'asc',
      q,
      total: isCounted = true,
      ...filter
    } = query
    const limits = { limit: pageSize, order }
    const [found, total] = await Promise.all([
      q === undefined
        ? listLogs(this.#db, taskId, filter, { ...limits, offset: (page - 1) * pageSize }).then((rows) => ({
            rows,
          }))
        : searchLogs(this.#db, taskId, { ...filter, q }, limits),
      isCounted ? countLogs(this.#db, taskId, filter) : undefined,
    ])
    const { rows, ...search } = found
    return { logs: rows.map(toLogLine), total, ...search, page: q === undefined ? page : 1, pageSize }
  }
}
