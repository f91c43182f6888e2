import { randomUUID } from 'node:crypto'
import { expect, vi } from 'vitest'
import { createDatabase } from '../../../src/db/database.ts'
import { PermanentError, TaskError } from '../../../src/engine/definition/errors.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'
import type { TestDatabase } from '../../support/database.ts'
import { createEngine, type Engine } from '../../support/engine.ts'
import type { Model, ModelTask } from './model.ts'

/** Two executors of this many slots each. */
const EXECUTORS = 2
const SLOTS_EACH = 2
export const SLOTS = EXECUTORS * SLOTS_EACH

const SETTINGS = {
  concurrency: SLOTS_EACH,
  pollIntervalMs: 20,
  retryBaseMs: 0,
  // So that heartbeats go through for a lease without a gap on a busy machine, too.
  heartbeatIntervalMs: 500,
  leaseMs: 2_000,
  // Handlers that ignore their signal do so for good.
  cancelGraceMs: 600_000,
  shutdownTimeoutMs: 250,
}

/** What the engine may take on a busy machine. */
const PATIENCE = { timeout: 60_000, interval: 5 }

/** Until a response counts as lost: the model knows nothing of claims and calls that were repeated. */
const ANSWER_TIMEOUT_MS = 60_000

/** A run of the scripted handler: it does what the test says, when the test says it. */
interface ScriptedRun {
  readonly executor: number
  readonly end: PromiseWithResolvers<unknown>
  obeys: boolean
  say(line: string): void
  report(current: number, total: number): void
  step(name: string): Promise<unknown>
  /** Which of these has run again, of those that this attempt has not asked for yet. */
  resume(steps: readonly string[]): Promise<string[]>
  /** Ends the run, whatever it does then. */
  sleep(name: string): void
}

/** Two executors on one database, with handlers in the hands of the test. */
export class Real {
  readonly manager: TaskManager
  readonly #database: TestDatabase
  readonly #engines: Engine[]
  readonly #runs = new Map<string, ScriptedRun>()

  constructor(database: TestDatabase) {
    this.#database = database
    this.#engines = Array.from({ length: EXECUTORS }, (_, i) => this.#start(i))
    const [first] = this.#engines
    if (!first) throw new Error('there is no executor')
    this.manager = first.manager
  }

  run(taskId: string, attempt: number): ScriptedRun {
    const run = this.#runs.get(`${taskId} ${attempt}`)
    if (!run) throw new Error(`attempt ${attempt} of ${taskId} does not run`)
    return run
  }

  /** The tasks that an executor runs. */
  tasksOf(executor: number): string[] {
    return [...this.#runs].flatMap(([key, run]) =>
      run.executor === executor ? [key.split(' ')[0] ?? ''] : [],
    )
  }

  /** Interrupts an executor's handlers and starts another in its place. Resolves with whether all was written in time. */
  async restart(executor: number): Promise<boolean> {
    const isWritten = await this.#stop(this.#engines[executor])
    this.#engines[executor] = this.#start(executor)
    return isWritten
  }

  /** As if the executor that runs it had died. */
  async takeAway(taskId: string): Promise<void> {
    await this.#database.pool.query(
      `with dead as (
         insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at)
         values ($2, 'gone', 1, 'test', 1, '{scripted}', 600, now() - interval '1 hour'))
       update async_tasks set executor_id = $2 where task_id = $1 and status = 'running'`,
      [taskId, randomUUID()],
    )
  }

  /** Which of these tasks is first to run its next attempt. */
  async firstToStart(tasks: readonly ModelTask[]): Promise<ModelTask> {
    const find = () => tasks.find(({ taskId, attempt }) => this.#runs.has(`${taskId} ${attempt + 1}`))
    return vi.waitFor(() => find() ?? Promise.reject(new Error('none of them starts')), PATIENCE)
  }

  /** How the attempt has ended that the model has running. */
  async outcomeOf({ taskId, attempt }: ModelTask): Promise<string> {
    const find = async () =>
      (await this.manager.getTask(taskId))?.attempts.find((one) => one.attempt === attempt)
    return vi.waitFor(
      async () => (await find())?.outcome ?? Promise.reject(new Error(`${taskId} ${attempt} does not end`)),
      PATIENCE,
    )
  }

  /** Waits until the engine has come to where the model is, in every row and every handler. */
  async settle(model: Model): Promise<void> {
    const expected = model.tasks.map(
      ({ taskId, priority, maxRetries, due: _due, stopping: _stopping, isAsleep: _isAsleep, ...task }) => ({
        taskId,
        priority,
        maxRetries,
        ...task,
        // The attempt that runs is shown too.
        outcomes: [
          ...task.outcomes,
          ...(task.status === 'running' ? [{ attempt: task.attempt, outcome: null }] : []),
        ],
      }),
    )
    await expect
      .poll(
        async () => ({ tasks: await this.#tasks(expected.map(({ taskId }) => taskId)), held: this.#held() }),
        PATIENCE,
      )
      .toEqual({ tasks: expected, held: model.held })
  }

  /** Lets every handler go and stops. */
  async stop(): Promise<void> {
    for (const run of this.#runs.values()) run.end.resolve(null)
    await Promise.all(this.#engines.map((engine) => this.#stop(engine)))
  }

  async #stop(engine: Engine | undefined): Promise<boolean> {
    try {
      await engine?.executor.stop()
      return true
    } catch (error) {
      if (!(error instanceof TaskError) || error.code !== 'SHUTTING_DOWN') throw error
      return false
    }
  }

  #held(): string[] {
    return [...this.#runs.keys()].sort()
  }

  async #tasks(taskIds: readonly string[]) {
    const db = createDatabase(this.#database.pool, {
      prepared: this.#database.prepared,
      schema: this.#database.schema,
    })
    const { rows } = await db.pool.query<{ task_id: string; attempt: number }>(
      'select task_id, attempt from async_tasks where task_id = any($1)',
      [taskIds],
    )
    const attempts = new Map(rows.map((row) => [row.task_id, row.attempt]))
    const total = (await this.manager.listTasks({ pageSize: 1 })).total
    if (total !== taskIds.length) return `${total} tasks instead of ${taskIds.length}`
    return Promise.all(taskIds.map((taskId) => this.#view(taskId, attempts.get(taskId))))
  }

  async #view(taskId: string, attempt: number | undefined) {
    const task = await this.manager.getTask(taskId)
    const { logs } = await this.manager.listLogs(taskId, { level: 'INFO', pageSize: 1_000 })
    return {
      taskId,
      priority: task?.priority,
      maxRetries: task?.maxRetries,
      status: task?.status,
      attempt,
      retryCount: task?.retryCount,
      progress: task?.progress,
      outcomes: task?.attempts.map((one) => ({ attempt: one.attempt, outcome: one.outcome })),
      lines: logs.map(({ message }) => message),
      steps: task?.steps.map(({ name }) => name),
    }
  }

  #start(index: number): Engine {
    const { task } = createTaskRegistry()
    const scripted = task('scripted')(async (_params, ctx) => {
      const key = `${ctx.taskId} ${ctx.attempt}`
      if (this.#runs.has(key)) throw new PermanentError(`${key} runs twice`)
      const end = Promise.withResolvers<unknown>()
      const asked = new Set<string>()
      const run: ScriptedRun = {
        executor: index,
        end,
        obeys: true,
        say: (line) => ctx.log.info(line),
        report: (current, total) => ctx.progress(current, total),
        step: (name) => {
          asked.add(name)
          return ctx.step(name, () => name)
        },
        resume: async (steps) => {
          const ran: string[] = []
          const again = (name: string) => {
            ran.push(name)
            return name
          }
          for (const name of steps.filter((one) => !asked.has(one))) {
            asked.add(name)
            if (name.startsWith('sleep')) await ctx.sleep(name, { days: 365 })
            else expect(await ctx.step(name, () => again(name))).toBe(name)
          }
          return ran
        },
        sleep: (name) => void ctx.sleep(name, { days: 365 }).catch(end.reject),
      }
      const onAbort = () => {
        if (run.obeys) end.reject(ctx.signal.reason)
      }
      ctx.signal.addEventListener('abort', onAbort)
      this.#runs.set(key, run)
      try {
        return await end.promise
      } finally {
        this.#runs.delete(key)
      }
    })
    const engine = createEngine(this.#database, [scripted], SETTINGS, {
      responseTimeoutMs: ANSWER_TIMEOUT_MS,
    })
    engine.executor.start()
    return engine
  }
}
