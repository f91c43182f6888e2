import fc from 'fast-check'
import { expect, vi } from 'vitest'
import { PermanentError, RetryAfter } from '../../../src/engine/definition/errors.ts'
import { isFinished } from '../../../src/engine/definition/lifecycle.ts'
import { type Model, type ModelTask, TOTAL } from './model.ts'
import type { Real } from './real.ts'

type Command = fc.AsyncCommand<Model, Real>

/** One step: what it needs, and what it does to the model and to the engine. */
function command<Choice>(
  name: string,
  choices: (model: Readonly<Model>) => readonly Choice[],
  act: (choice: Choice, model: Model, real: Real) => Promise<void>,
): fc.Arbitrary<Command> {
  return fc.nat(1_000).map((draw) => {
    let done = name
    return {
      check: (model) => choices(model).length > 0,
      async run(model, real) {
        const possible = choices(model)
        const choice = possible[draw % possible.length] as Choice
        done = `${name}(${(choice as { taskId?: string }).taskId ?? String(choice)})`
        await act(choice, model, real)
        await real.settle(model)
      },
      toString: () => done,
    }
  })
}

const running = (model: Readonly<Model>) => model.running
const all = (model: Readonly<Model>) => model.tasks

const create = fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })).map(
  ([priority, maxRetries]): Command => ({
    check: () => true,
    async run(model, real) {
      const { taskId } = await real.manager.createTask('scripted', {}, { priority, maxRetries })
      model.create(taskId, priority, maxRetries)
      await real.settle(model)
    },
    toString: () => `create(priority ${priority}, maxRetries ${maxRetries})`,
  }),
)

const complete = command('complete', running, async (task, model, real) => {
  real.run(task.taskId, task.attempt).end.resolve('done')
  model.complete(task)
})

const fail = command('fail', running, async (task, model, real) => {
  real.run(task.taskId, task.attempt).end.reject(new Error('on purpose'))
  model.fail(task, 'failed')
})

const failForGood = command('failForGood', running, async (task, model, real) => {
  real.run(task.taskId, task.attempt).end.reject(new PermanentError('for good'))
  model.fail(task, 'failed', true)
})

const speak = command('speak', running, async (task, _model, real) => {
  const run = real.run(task.taskId, task.attempt)
  const line = `line ${task.lines.length}`
  run.say(line)
  task.lines.push(line)
  task.progress = Math.min(task.progress + 10, TOTAL)
  run.report(task.progress, TOTAL)
})

/** Finished once, however often its task runs. */
const step = command('step', running, async (task, _model, real) => {
  await real.run(task.taskId, task.attempt).step(`step ${task.steps.length}`)
  task.steps.push(`step ${task.steps.length}`)
})

/** None that an earlier attempt has finished runs again. */
const resume = command('resume', running, async (task, _model, real) => {
  expect(await real.run(task.taskId, task.attempt).resume(task.steps)).toEqual([])
})

/** A year; whoever wants it to go on wakes it. */
const sleep = command('sleep', running, async (task, model, real) => {
  real.run(task.taskId, task.attempt).sleep(`sleep ${task.steps.length}`)
  model.sleep(task)
})

/** For weeks, and spends no retry. */
const postpone = command('postpone', running, async (task, model, real) => {
  const later = new RetryAfter(20 * 86_400_000, { spendRetry: false })
  real.run(task.taskId, task.attempt).end.reject(later)
  model.postpone(task)
})

const wake = command(
  'wake',
  (model) => model.sleeping,
  async (task, model, real) => {
    await real.manager.runNow(task.taskId)
    model.wake(task)
  },
)

const cancel = command('cancel', all, async (task, model, real) => {
  if (task.status === 'completed' || task.status === 'failed') {
    await expect(real.manager.cancelTask(task.taskId)).rejects.toMatchObject({
      code: 'TASK_ALREADY_FINISHED',
    })
    return
  }
  await real.manager.cancelTask(task.taskId)
  if (task.status !== 'cancelled') model.cancel(task, true)
})

/** Its handler takes no notice, and goes on talking to nobody. */
const cancelIgnored = command('cancelIgnored', running, async (task, model, real) => {
  const run = real.run(task.taskId, task.attempt)
  run.obeys = false
  await real.manager.cancelTask(task.taskId)
  model.cancel(task, false)
})

const letGo = command(
  'letGo',
  (model) => model.stopping,
  async (task, model, real) => {
    real.run(task.taskId, task.stopping ?? 0).end.resolve('too late')
    model.handlerReturned(task)
  },
)

const retryOf = (name: string, choices: (model: Readonly<Model>) => readonly ModelTask[]) =>
  command(name, choices, async (task, model, real) => {
    const refusal = retryRefusal(task)
    if (refusal === undefined) {
      // That its handler has returned is written a moment after it is seen.
      await vi.waitFor(() => real.manager.retryTask(task.taskId), { timeout: 30_000, interval: 5 })
      model.retry(task)
    } else await expect(real.manager.retryTask(task.taskId)).rejects.toMatchObject({ code: refusal })
  })

const retryFrom = command(
  'retryFrom',
  (model) =>
    model.tasks.flatMap((task) =>
      retryRefusal(task) === undefined
        ? ['start', ...task.steps].map((from) => ({ taskId: task.taskId, task, from }))
        : [],
    ),
  async ({ taskId, task, from }, model, real) => {
    await vi.waitFor(() => real.manager.retryTask(taskId, { from }), { timeout: 30_000, interval: 5 })
    model.retry(task, from)
  },
)

const retry = retryOf('retry', all)
/** Too early. */
const retryStopping = retryOf('retryStopping', (model) => model.stopping)

function retryRefusal(task: ModelTask): string | undefined {
  if (!isFinished(task.status)) return 'TASK_NOT_FINISHED'
  return task.stopping === undefined ? undefined : 'TASK_STILL_STOPPING'
}

const remove = command(
  'delete',
  // A handler that still runs would speak of a task that the model has forgotten.
  (model) => model.tasks.filter(({ stopping }) => stopping === undefined),
  async (task, model, real) => {
    if (!isFinished(task.status)) {
      await expect(real.manager.deleteTask(task.taskId)).rejects.toMatchObject({ code: 'TASK_NOT_FINISHED' })
      return
    }
    await real.manager.deleteTask(task.taskId)
    model.delete(task)
  },
)

const takeAway = command('takeAway', running, async (task, model, real) => {
  const [next] = model.pending
  await real.takeAway(task.taskId)
  // No order is promised between the end of its handler, which frees a slot, and its rescue.
  if (next && (await real.firstToStart([next, task])) === next) model.start(next)
  model.fail(task, 'lost')
})

const restart = command(
  'restart',
  // With others waiting it would depend on the moment who is claimed first.
  (model) => (model.pending.length === 0 && model.stopping.length === 0 ? [0, 1] : []),
  async (executor, model, real) => {
    const ids = new Set(real.tasksOf(executor))
    const interrupted = model.running.filter(({ taskId }) => ids.has(taskId))
    const isWritten = await real.restart(executor)
    for (const task of interrupted) {
      // A row that a busy database did not release in time is rescued after the lease.
      if (isWritten || (await real.outcomeOf(task)) === 'interrupted') model.interrupt(task)
      else model.fail(task, 'lost')
    }
  },
)

export const commands = [
  create,
  create,
  complete,
  fail,
  failForGood,
  speak,
  step,
  step,
  resume,
  sleep,
  postpone,
  wake,
  cancel,
  cancelIgnored,
  letGo,
  retry,
  retryFrom,
  retryStopping,
  remove,
  takeAway,
  restart,
]
