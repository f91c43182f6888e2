import Fastify from 'fastify'
import asyncTasks, { type TaskManager, type TaskQuery } from '../../../src/index.ts'
import { now } from '../process/commands.ts'
import { spread } from './claims.ts'

const REPEATS = 60
/** A query that takes seconds need not show it sixty times. */
const ENOUGH_MS = 10_000
const PAGE_SIZE = 50
const DAY_MS = 86_400_000

/** Every filter there is and some that are asked for together. */
function filters(anId: string): Record<string, TaskQuery> {
  const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS)
  return {
    none: {},
    'status=pending': { status: ['pending'] },
    'status=running': { status: ['running'] },
    'status=completed': { status: ['completed'] },
    'status=failed': { status: ['failed'] },
    'status=cancelled': { status: ['cancelled'] },
    'status=failed,cancelled': { status: ['failed', 'cancelled'] },
    'status=pending,running': { status: ['pending', 'running'] },
    'taskType, of one in twenty': { taskType: 'type_7' },
    'taskType, unheard of': { taskType: 'unheard_of' },
    'taskType and status=failed': { taskType: 'type_7', status: ['failed'] },
    'taskType and status=running': { taskType: 'type_7', status: ['running'] },
    'q, a whole id': { q: anId },
    "q, an id's beginning": { q: anId.slice(0, 12) },
    'q, a type': { q: 'type_7' },
    'q, unheard of': { q: 'unheard_of' },
    'createdAfter, a day ago': { createdAfter: daysAgo(1) },
    'createdBefore, 20 days ago': { createdBefore: daysAgo(20) },
    'an hour, 15 days ago': { createdAfter: daysAgo(15), createdBefore: daysAgo(15 - 1 / 24) },
    'status=failed, createdBefore': { status: ['failed'], createdBefore: daysAgo(20) },
  }
}

export interface ListTime {
  readonly filter: string
  readonly page: string
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Through the manager, rows and total together, as the routes call it. */
export async function measureList(url: string): Promise<ListTime[]> {
  const app = Fastify()
  await app.register(asyncTasks, { connectionString: url, tasks: [], routes: false, executor: false })
  await app.ready()
  try {
    const [newest] = (await app.tasks.listTasks({ status: ['completed'], pageSize: 1 })).tasks
    const times: ListTime[] = []
    for (const [filter, query] of Object.entries(filters(newest?.taskId ?? ''))) {
      for (const [page, paging] of Object.entries(await pages(app.tasks, query))) {
        times.push({ filter, page, ...(await time(app.tasks, { ...query, ...paging, pageSize: PAGE_SIZE })) })
      }
    }
    return times
  } finally {
    await app.close()
  }
}

/** The deepest page that has a number, and one in the midst of the history that only a cursor leads to. */
async function pages(tasks: TaskManager, query: TaskQuery): Promise<Record<string, TaskQuery>> {
  const before = new Date(Date.now() - 22 * DAY_MS)
  const midst = await tasks.listTasks({ ...query, createdBefore: query.createdBefore ?? before, pageSize: 1 })
  return {
    first: { page: 1 },
    'page 200': { page: 200 },
    ...(midst.nextCursor === null ? {} : { 'a cursor in the midst': { cursor: midst.nextCursor } }),
  }
}

async function time(tasks: TaskManager, query: TaskQuery): Promise<{ p50Ms: number; p99Ms: number }> {
  const took: number[] = []
  const begun = now()
  for (let i = 0; i < REPEATS && now() - begun < ENOUGH_MS; i += 1) {
    const from = now()
    await tasks.listTasks(query)
    took.push(now() - from)
  }
  return spread(took)
}
