import type { Database } from '../../../db/database.ts'
import { PermanentError, TaskError } from '../../definition/errors.ts'
import { LAST_ATTEMPT } from '../../definition/lifecycle.ts'
import type { HandlerEnd } from '../../definition/outcome.ts'
import { anyParams, restoreParams } from '../../definition/params.ts'
import type { TaskDefinition } from '../../definition/task.ts'
import { isInstance } from '../../definition/thrown.ts'
import type { TaskManager } from '../../manager/manager.ts'
import type { ClaimedTask } from '../../store/claim.ts'
import type { Fence } from '../../store/fence.ts'
import type { LazySteps } from '../steps/lazy-steps.ts'
import type { ThreadPool } from '../thread/thread-pool.ts'
import type { AttemptOutput } from './attempt-output.ts'
import type { Cancellation } from './cancellation.ts'
import { encodeResult } from './result.ts'
import { type RunningTask, runningTask } from './running-task.ts'
import { AttemptContext } from './task-context.ts'
import type { TransactionalCompletion } from './transactional-completion.ts'

const TOO_MANY_ATTEMPTS = `TOO_MANY_ATTEMPTS: an attempt after number ${LAST_ATTEMPT} has no fence of its own`

export interface HandlerServices {
  readonly db: Database
  readonly manager: TaskManager
  readonly threads: ThreadPool
  readonly maxResultBytes: number
}

export interface HandlerRun {
  readonly task: ClaimedTask
  readonly fence: Fence
  readonly definition: TaskDefinition
  readonly cancellation: Cancellation
  readonly output: AttemptOutput
  readonly completion: TransactionalCompletion
  readonly running: RunningTask
  readonly steps: LazySteps
}

/** Runs the handler, in a thread if it has a module. Never rejects. */
export async function runHandler(run: HandlerRun, services: HandlerServices): Promise<HandlerEnd> {
  const { task, definition, cancellation, output, running } = run
  if (run.fence.attempt >= LAST_ATTEMPT) return { thrown: new PermanentError(TOO_MANY_ATTEMPTS) }
  let params: Record<string, unknown>
  try {
    params = await restoreParams(definition.type, definition.options.params ?? anyParams, task.params)
  } catch (error) {
    return {
      thrown: isInstance(error, TaskError) ? new PermanentError(`${error.code}: ${error.message}`) : error,
    }
  }
  // While its claim was in flight, or while its schema checked the params.
  if (cancellation.aborted) return { thrown: cancellation.signal.reason }
  try {
    const result = await runningTask.run(running, () => call(run, services, params))
    return { returned: encodeResult(result, services.maxResultBytes, (line) => output.log.warn(line)) }
  } catch (thrown) {
    return { thrown }
  }
}

function call(run: HandlerRun, services: HandlerServices, params: Record<string, unknown>): unknown {
  const { task, fence, definition, cancellation, output, completion } = run
  const { manager, threads, maxResultBytes } = services
  const context = new AttemptContext(task, {
    manager,
    cancellation,
    output,
    completion,
    steps: () => run.steps.runner,
  })
  const { module } = definition.options
  if (!module) return definition.handler(params, context)
  const hidden = run.running.scrubber?.hidden
  const { steps } = run
  const { responseTimeoutMs } = services.db
  const limits = { maxResultBytes, responseTimeoutMs }
  return threads.run({ module, params, context, fence, ...limits, hidden, completion, steps })
}
