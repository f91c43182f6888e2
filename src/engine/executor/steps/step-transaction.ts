import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { EngineSchema } from '../../../db/engine-schema.ts'
import { codeOf, isResponseTimeout, LOCK_NOT_AVAILABLE } from '../../../db/errors.ts'
import type { CallersTransaction, Transaction } from '../../../db/query-runner.ts'
import {
  findStepDatabaseProblem,
  mayBeRepeated,
  type StepDatabase,
  transactIn,
} from '../../../db/step-database.ts'
import { TaskError, taskLost } from '../../definition/errors.ts'
import { describeStep, invalid } from '../../definition/steps.ts'
import { toText } from '../../definition/thrown.ts'
import { backoffMs } from '../../runtime/supervisor.ts'
import { guardStep } from '../../store/guard.ts'
import { insertStep } from '../../store/steps.ts'
import type { StepPort } from './step-port.ts'

const MAX_REPEATS = 10

/**
 * Runs a step in a transaction of its own, with the fence locked, and commits it with the step. After an outage it looks
 * up whether the transaction has committed, and repeats one that was rolled back.
 *
 * @param tx a `StepDatabase`
 * @throws TaskError `INVALID_ARGUMENT` for another `tx`, `TASK_LOST`, `TASK_BUSY`
 */
export async function runInTransaction(
  port: StepPort,
  { name, run }: { name: string; run: (tx: Transaction) => Promise<string | null> },
  tx: unknown,
): Promise<string | null> {
  const problem = findStepDatabaseProblem(tx)
  if (problem !== undefined) throw invalid('tx', `tx ${problem}`)
  const schema = new EngineSchema(port.schema)
  for (let repeats = 0; ; repeats += 1) {
    port.requireHeld()
    const tried = { result: null as string | null, thrown: undefined as { error: unknown } | undefined }
    try {
      await transactIn(tx as StepDatabase, (open) => write(open, tried), port.responseTimeoutMs)
      return tried.result
    } catch (error) {
      // No commit was sent.
      if (tried.thrown) throw tried.thrown.error
      if (!mayBeRepeated(error)) throw error
      if (repeats === MAX_REPEATS) throw givenUp(name, port.responseTimeoutMs, error)
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
    if (!(await guard(on, name, port))) throw taskLost(fence)
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

async function guard(on: CallersTransaction, name: string, port: StepPort): Promise<boolean> {
  const { fence, responseTimeoutMs } = port
  try {
    return await guardStep(on, fence, responseTimeoutMs)
  } catch (error) {
    if (codeOf(error) !== LOCK_NOT_AVAILABLE) throw error
    const message =
      `${describeStep(name)} waited ${responseTimeoutMs} ms for the row of its task, which another transaction ` +
      'has locked: if it is one of this handler, after ctx.guard or ctx.complete, end it before the step begins'
    throw new TaskError('TASK_BUSY', message, { cause: error })
  }
}

function givenUp(name: string, responseTimeoutMs: number, cause: unknown): Error {
  const reason = isResponseTimeout(cause) ? `no response within ${responseTimeoutMs} ms` : toText(cause)
  const what = `the transaction of ${describeStep(name)}`
  return new Error(`${what} failed ${MAX_REPEATS + 1} times, at last with: ${reason}`, { cause })
}
