import type { TaskDetail, TaskStep } from '../../../client/index.ts'

/** A span of time of a task. `kind`: `waited`, `step`, `sleep`, `running`, or how an attempt ended. */
export interface Bar {
  readonly key: string
  readonly kind: string
  /** Number of the attempt, or name of the step; null of a wait. */
  readonly name: number | string | null
  /** Milliseconds since the epoch. */
  readonly from: number
  readonly to: number
}

export interface TaskBars {
  readonly from: number
  readonly to: number
  readonly attempts: readonly Bar[]
  readonly steps: readonly Bar[]
}

/** Beyond it, bars are too thin to be read. */
const MAX_BARS = 200

/** Waits, attempts, steps and sleeps of a task, to the scale of its life. */
export function toBars(task: TaskDetail, now: number): TaskBars {
  const attempts = task.attempts.slice(-MAX_BARS)
  const isCut = attempts.length < task.attempts.length
  const from = (isCut ? attempts[0]?.startedAt : undefined) ?? task.createdAt
  const bars: Bar[] = []
  let end = from.getTime()
  for (const { attempt, startedAt, endedAt, outcome } of attempts) {
    const start = startedAt.getTime()
    if (start > end) bars.push({ key: `wait ${attempt}`, kind: 'waited', name: null, from: end, to: start })
    end = endedAt?.getTime() ?? now
    bars.push({ key: `attempt ${attempt}`, kind: outcome ?? 'running', name: attempt, from: start, to: end })
  }
  if (task.status === 'pending' && now > end) {
    bars.push({ key: 'wait', kind: 'waited', name: null, from: end, to: now })
  }
  const steps = task.steps.slice(-MAX_BARS).map((step) => toStepBar(step, task, now))
  return {
    from: from.getTime(),
    to: Math.max(from.getTime() + 1, ...bars.map(({ to }) => to), ...steps.map(({ to }) => to)),
    attempts: bars,
    steps: steps.filter(({ to }) => to >= from.getTime()),
  }
}

/** A sleep is longer than the attempt that it has ended. */
function toStepBar({ name, attempt, startedAt, endedAt }: TaskStep, task: TaskDetail, now: number): Bar {
  const of = task.attempts.find((one) => one.attempt === attempt)
  const isSleep = of?.outcome === 'sleeping' && of.endedAt !== null && endedAt > of.endedAt
  return {
    key: `step ${attempt} ${name}`,
    kind: isSleep ? 'sleep' : 'step',
    name,
    from: startedAt.getTime(),
    // A sleep may lie ahead.
    to: Math.min(endedAt.getTime(), now),
  }
}
