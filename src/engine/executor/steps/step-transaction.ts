import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { EngineSchema } from '../../../db/engine-schema.ts'
import type { Transaction } from '../../../db/query-runner.ts'
import { mayBeRepeated, type StepDatabase, transactIn } from '../../../db/step-database.ts'
import { taskLost } from '../../definition/errors.ts'
import { backoffMs } from '../../runtime/supervisor.ts'
import { guardFence } from '../../store/guard.ts'
import { insertStep } from '../../store/steps.ts'
import type { StepPort } from './step-port.ts'

const MAX_REPEATS = 10

/**
 * Runs a step in a transaction of its own, with the fence locked, and commits it with the step. After an outage it looks
 * up whether the transaction has committed, and repeats one that was rolled back.
 *
 * @param tx a `StepDatabase`
 */
export async function runInTransaction(
  port: StepPort,
  { name, run }: { name: string; run: (tx: Transaction) => Promise<string | null> },
  tx: unknown,
): Promise<string | null> {
  const schema = new EngineSchema(port.schema)
  for (let repeats = 0; ; repeats += 1) {
    port.requireOpen()
    const tried = { result: null as string | null, thrown: undefined as { error: unknown } | undefined }
    try {
      await transactIn(tx as StepDatabase, (open) => write(open, tried), port.responseTimeoutMs)
      return tried.result
    } catch (error) {
      // No commit was sent.
      if (tried.thrown) throw tried.thrown.error
      if (!mayBeRepeated(error) || repeats === MAX_REPEATS) throw error
    }
    if (await port.isCommitted(name)) return tried.result
    await delay(backoffMs(repeats + 1))
  }

  async function write(
    open: Transaction,
    tried: { result: string | null; thrown: { error: unknown } | undefined },
  ): Promise<void> {
    const { fence, responseTimeoutMs } = port
    const on = { tx: open, schema }
    if (!(await guardFence(on, fence))) throw taskLost(fence)
    const startedAt = performance.now()
    try {
      tried.result = await run(open)
    } catch (error) {
      tried.thrown = { error }
      throw error
    }
    const { taskId, attempt } = fence
    const durationMs = performance.now() - startedAt
    await insertStep(on, { taskId, attempt, name, result: tried.result, durationMs }, responseTimeoutMs)
  }
}
