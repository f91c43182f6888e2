import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { ExecutorView } from '../../../src/contract/executor-views.ts'
import type { TaskDetail, TaskList } from '../../../src/contract/task.ts'
import { type Api, logIn } from './api.ts'
import type { Replica, Replicas } from './replicas.ts'

const LOOK_EVERY_MS = 100
const DEADLINE_MS = 180_000
/** A task for each, of 20 trading days or so. */
const MONTHS = [2020, 2021].flatMap((year) =>
  Array.from({ length: 12 }, (_, month) => {
    const dayOf = (time: number) => new Date(time).toISOString().slice(0, 10)
    return { startDate: dayOf(Date.UTC(year, month, 1)), endDate: dayOf(Date.UTC(year, month + 1, 0)) }
  }),
)

/** What became of the tasks, and of the requests to the replica that was left. */
export interface Loss {
  readonly tasks: number
  /** Tasks that the killed replica ran; each began again. */
  readonly begunAgain: number
  /** Creates to the killed replica that got no answer, and were sent to the other one. */
  readonly unansweredCreates: number
  /** From the kill until the last task had completed. */
  readonly completedAfterMs: number
  /** Requests to the other replica from the kill on, all answered with 200, and the slowest of them. */
  readonly answers: number
  readonly slowestAnswerMs: number
}

/**
 * Creates tasks through two replicas, kills one of them while it runs some, and checks: every task completed, by
 * exactly one attempt; only what the killed replica ran began again; the other one answered all the time.
 *
 * @throws AssertionError that says which of these did not hold
 */
export async function loseOne({ all, adminPassword }: Replicas): Promise<Loss> {
  const [victim, survivor] = all
  assert(victim && survivor && all.length === 2, 'there are two replicas')
  const [doomed, left] = await Promise.all([logIn(victim, adminPassword), logIn(survivor, adminPassword)])
  const { taskId } = await left.post<TaskDetail>('tasks', { taskType: 'init_stocks' })
  await until(async () => (await readTask(left, taskId)).status === 'completed')

  const load = new Load([doomed, left])
  await load.create(MONTHS.slice(0, MONTHS.length / 2))
  const executor = await findBusy(left, victim)
  const creating = load.create(MONTHS.slice(MONTHS.length / 2))
  await victim.kill()
  const killedAt = performance.now()
  const finishing = creating.then(() => until(async () => (await countUnfinished(left)) === 0))
  const answers = await watchAnswers(left, finishing)
  const completedAfterMs = performance.now() - killedAt

  const tasks = await Promise.all(load.taskIds.map((id) => readTask(left, id)))
  return {
    tasks: tasks.length,
    begunAgain: checkTasks(tasks, executor),
    unansweredCreates: load.unanswered,
    completedAfterMs: Math.round(completedAfterMs),
    ...answers,
  }
}

/** Creates tasks through both replicas in turn. */
class Load {
  readonly taskIds: string[] = []
  unanswered = 0
  readonly #apis: readonly [Api, Api]

  constructor(apis: readonly [Api, Api]) {
    this.#apis = apis
  }

  async create(months: typeof MONTHS): Promise<void> {
    const [doomed, left] = this.#apis
    for (const [n, params] of months.entries()) {
      // With a key, a create whose answer was lost can be repeated: while the task is unfinished, it returns that task.
      const body = { taskType: 'backfill_by_range', params, uniqueKey: `from ${params.startDate}` }
      const created = await (n % 2 === 0 ? doomed : left).post<TaskDetail>('tasks', body).catch((error) => {
        if (n % 2 === 1) throw error
        this.unanswered += 1
        return left.post<TaskDetail>('tasks', body)
      })
      this.taskIds.push(created.taskId)
      await delay(LOOK_EVERY_MS / 2)
    }
  }
}

/** The executor of the replica, as soon as all of its slots are in use. */
async function findBusy(api: Api, replica: Replica): Promise<ExecutorView> {
  let busy: ExecutorView | undefined
  await until(async () => {
    const { executors } = await api.get<{ executors: ExecutorView[] }>('executors')
    busy = executors.find((one) => replica.isExecutor(one) && one.runningTasks.length === one.slots)
    return busy !== undefined
  })
  assert(busy)
  return busy
}

/** Asks the replica that is left for its readiness and for tasks, one after the other, until `end`. */
async function watchAnswers(api: Api, end: Promise<void>) {
  let isOver = false
  const over = end.finally(() => {
    isOver = true
  })
  // Heard of where it is awaited, below.
  over.catch(() => {})
  let answers = 0
  let slowestAnswerMs = 0
  while (!isOver) {
    const askedAt = performance.now()
    await api.ready()
    await api.get('tasks?pageSize=20')
    slowestAnswerMs = Math.max(slowestAnswerMs, Math.round(performance.now() - askedAt))
    answers += 2
    await delay(LOOK_EVERY_MS)
  }
  await over
  return { answers, slowestAnswerMs }
}

/** @returns how many began again */
function checkTasks(tasks: readonly TaskDetail[], killed: ExecutorView): number {
  assert.equal(new Set(tasks.map(({ taskId }) => taskId)).size, MONTHS.length, 'one task for each key')
  const unfinished = tasks.filter(({ status }) => status !== 'completed')
  assert.deepEqual(unfinished, [], 'all tasks have completed')
  for (const { taskId, attempts } of tasks) {
    const outcomes = attempts.map(({ outcome }) => outcome)
    assert.deepEqual(outcomes, outcomes.length === 1 ? ['completed'] : ['lost', 'completed'], taskId)
  }
  const again = tasks.filter(({ attempts }) => attempts.length > 1)
  for (const { taskId, attempts } of again) {
    assert.equal(attempts[0]?.executorId, killed.id, `${taskId} was lost by the killed replica`)
    assert.notEqual(attempts[1]?.executorId, killed.id, `${taskId} was completed by the other one`)
  }
  assert(again.length > 0 && again.length <= killed.slots, `${again.length} tasks began again`)
  return again.length
}

const readTask = (api: Api, taskId: string) => api.get<TaskDetail>(`tasks/${taskId}`)

async function countUnfinished(api: Api): Promise<number> {
  return (await api.get<TaskList>('tasks?status=pending&status=running&pageSize=1')).total
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!(await holds())) {
    assert(performance.now() < deadline, `not within ${DEADLINE_MS} ms`)
    await delay(LOOK_EVERY_MS)
  }
}
