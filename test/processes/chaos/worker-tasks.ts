import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { z } from 'zod'
import type { TaskContext } from '../../../src/engine/definition/context.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import type { AuditWriter } from './audit.ts'
import { monotonicMs, type WorkerMessage } from './worker-messages.ts'

export const STEPS = 100
const stepped = z.object({ tx: z.boolean(), ms: z.number(), holdAt: z.int().optional() })
const INSERT_EFFECT = 'insert into effects (task_id, step, attempt, nonce) values ($1, $2, $3, $4)'

interface Surroundings {
  readonly audit: AuditWriter
  /** Of the engine's database. */
  readonly pool: pg.Pool
  /** Aborts when the test opens the gate. */
  readonly gate: AbortSignal
  tell(message: WorkerMessage): void
}

/** The handlers of a worker. Each writes its start and its end to the audit. */
export function createWorkerTasks(surroundings: Surroundings): AnyTask[] {
  const { audit, gate, pool } = surroundings
  const tell = (message: WorkerMessage) => surroundings.tell(message)
  const { task } = createTaskRegistry()

  const audited = async (ctx: TaskContext, work: () => Promise<unknown>) => {
    const { taskId, attempt, signal } = ctx
    const run = await audit.started(taskId, attempt)
    tell({ kind: 'started', taskId, attempt })
    signal.addEventListener('abort', () => {
      const reason = (signal.reason as Error).message
      tell({ kind: 'aborted', taskId, attempt, reason, at: monotonicMs() })
    })
    let how = 'returned'
    try {
      await work()
      return attempt
    } catch (error) {
      how = 'threw'
      throw error
    } finally {
      await audit.ended(run, how)
      tell({ kind: 'ended', taskId, attempt })
    }
  }

  const duration = z.object({ ms: z.number() })
  const untilReleased = async (signal: AbortSignal) => {
    if (!signal.aborted) await once(signal, 'abort')
  }
  /** Follows a failure, however often its own process is killed. */
  const mourn = task('mourn', { maxRetries: 50 })((_params, ctx) => audited(ctx, async () => {}))
  return [
    mourn,
    /** Fails after a while, for good if no retry is left. */
    task('doomed', { params: duration, onFailed: mourn })(({ ms }, ctx) =>
      audited(ctx, async () => {
        await delay(ms, undefined, { signal: ctx.signal })
        throw new Error('doomed')
      }),
    ),
    /** Takes its time and obeys. */
    task('work', { params: duration })(({ ms }, ctx) =>
      audited(ctx, () => delay(ms, undefined, { signal: ctx.signal })),
    ),
    /** Three at once over all processes; answers how long it took, the audit included. */
    task('three', { params: duration, globalConcurrency: 3 })(async ({ ms }, ctx) => {
      const begun = performance.now()
      await audited(ctx, () => delay(ms, undefined, { signal: ctx.signal }))
      return performance.now() - begun
    }),
    /** Starts at most 100 times a second over all processes. */
    task('hundred', { params: duration, rateLimit: { max: 100, perSeconds: 1 }, maxRetries: 50 })(({ ms }) =>
      delay(ms),
    ),
    /** Starts at most 20 times a minute with each key. */
    task('twenty', {
      params: z.object({ key: z.string() }),
      rateLimit: { max: 20, perSeconds: 60, key: ({ key }) => key },
      maxRetries: 50,
    })(() => {}),
    /** Speaks while it works. */
    task('talk', { params: duration })(({ ms }, ctx) =>
      audited(ctx, async () => {
        ctx.log.info('begun')
        ctx.progress(1, 2)
        await delay(ms, undefined, { signal: ctx.signal })
        ctx.log.info('done')
      }),
    ),
    /** Waits at the gate and obeys. */
    task('hold')((_params, ctx) =>
      audited(ctx, async () => {
        await untilReleased(AbortSignal.any([gate, ctx.signal]))
        ctx.signal.throwIfAborted()
      }),
    ),
    /** Waits at the gate whatever it is told. */
    task('deaf')((_params, ctx) => audited(ctx, () => untilReleased(gate))),
    /**
     * Has a hundred steps, each of which does something once: in the engine's database with `tx`, else in the audit's.
     * Sleeps for a moment half-way. Returns what the steps have returned.
     */
    task('stepped', { params: stepped })(async ({ tx, ms, holdAt }, ctx) => {
      const { taskId, attempt } = ctx
      tell({ kind: 'started', taskId, attempt })
      const nonces: unknown[] = []
      for (let step = 1; step <= STEPS; step += 1) {
        const name = `step ${step}`
        const effect = { taskId, step, attempt, nonce: randomUUID() }
        const work = async (client?: pg.PoolClient) => {
          if (client) await client.query(INSERT_EFFECT, [taskId, step, attempt, effect.nonce])
          else await audit.note(effect)
          await delay(ms * Math.random())
          if (step === holdAt && attempt === 2) {
            tell({ kind: 'held', taskId, step })
            await new Promise(() => {})
          }
          return effect.nonce
        }
        nonces.push(await (tx ? ctx.step(name, work, { tx: pool }) : ctx.step(name, () => work())))
        if (step === STEPS / 2) await ctx.sleep('half-way', 100)
      }
      return nonces
    }),
    /** Sleeps for a year. */
    task('nap')((_params, ctx) => ctx.sleep('nap', { days: 365 })),
    /** Kills its process, each time. */
    task('deadly')((_params, ctx) =>
      audited(ctx, async () => {
        process.kill(process.pid, 'SIGKILL')
        await new Promise(() => {})
      }),
    ),
  ]
}
