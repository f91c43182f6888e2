import type { AttemptOutcome, TaskStatus } from '../../../src/engine/definition/lifecycle.ts'

/** Of whoever reports progress. */
export const TOTAL = 100

/** What a task must be, in the simplest words. */
export interface ModelTask {
  readonly taskId: string
  readonly priority: number
  readonly maxRetries: number
  status: TaskStatus
  attempt: number
  retryCount: number
  progress: number
  outcomes: { attempt: number; outcome: AttemptOutcome | null }[]
  lines: string[]
  /** Finished steps and sleeps. */
  steps: string[]
  /** Not due for weeks, if it is pending. */
  isAsleep: boolean
  /** Its place among the due tasks of its priority. */
  due: number
  /** An attempt whose row has ended while its handler has not returned: it keeps its slot. */
  stopping: number | undefined
}

/** The life cycle as the contract tells it: what runs follows from what is due and how many slots there are. */
export class Model {
  readonly tasks: ModelTask[] = []
  readonly #slots: number
  #due = 0

  constructor(slots: number) {
    this.#slots = slots
  }

  get running(): ModelTask[] {
    return this.tasks.filter(({ status }) => status === 'running')
  }

  get stopping(): ModelTask[] {
    return this.tasks.filter(({ stopping }) => stopping !== undefined)
  }

  get sleeping(): ModelTask[] {
    return this.tasks.filter(({ status, isAsleep }) => status === 'pending' && isAsleep)
  }

  /** The next one to be claimed first. */
  get pending(): ModelTask[] {
    return this.tasks
      .filter(({ status, isAsleep }) => status === 'pending' && !isAsleep)
      .sort((a, b) => b.priority - a.priority || a.due - b.due)
  }

  /** The runs whose handlers have not returned. */
  get held(): string[] {
    return [
      ...this.running.map(({ taskId, attempt }) => `${taskId} ${attempt}`),
      ...this.stopping.map(({ taskId, stopping }) => `${taskId} ${stopping}`),
    ].sort()
  }

  create(taskId: string, priority: number, maxRetries: number): void {
    this.tasks.push({
      taskId,
      priority,
      maxRetries,
      status: 'pending',
      attempt: 0,
      retryCount: 0,
      progress: 0,
      outcomes: [],
      lines: [],
      steps: [],
      isAsleep: false,
      due: this.#due++,
      stopping: undefined,
    })
    this.#fill()
  }

  complete(task: ModelTask): void {
    task.status = 'completed'
    // Where no total was ever told, there is none to reach.
    if (task.progress > 0) task.progress = TOTAL
    this.#end(task, 'completed')
  }

  /** Claims it into a slot that is free, or is about to be. */
  start(task: ModelTask): void {
    task.status = 'running'
    task.attempt += 1
  }

  /** An attempt that failed, or was lost with its executor. */
  fail(task: ModelTask, outcome: 'failed' | 'lost', isPermanent = false): void {
    if (isPermanent || task.retryCount >= task.maxRetries) task.status = 'failed'
    else {
      task.retryCount += 1
      this.#queue(task)
    }
    this.#end(task, outcome)
  }

  sleep(task: ModelTask): void {
    task.steps.push(`sleep ${task.steps.length}`)
    task.isAsleep = true
    this.#queue(task, task.progress)
    this.#end(task, 'sleeping')
  }

  /** Throws `RetryAfter` without a spent retry, weeks ahead. */
  postpone(task: ModelTask): void {
    task.isAsleep = true
    this.#queue(task)
    this.#end(task, 'failed')
  }

  wake(task: ModelTask): void {
    task.isAsleep = false
    task.due = this.#due++
    this.#fill()
  }

  /** Its executor stopped. */
  interrupt(task: ModelTask): void {
    this.#queue(task)
    this.#end(task, 'interrupted')
  }

  cancel(task: ModelTask, handlerReturns: boolean): void {
    const wasRunning = task.status === 'running'
    task.status = 'cancelled'
    if (!wasRunning) return
    if (!handlerReturns) task.stopping = task.attempt
    this.#end(task, 'cancelled')
  }

  handlerReturned(task: ModelTask): void {
    task.stopping = undefined
    this.#fill()
  }

  /** From a step: that one and those after it are forgotten. */
  retry(task: ModelTask, from?: string): void {
    task.retryCount = 0
    if (from !== undefined) task.steps = task.steps.slice(0, Math.max(0, task.steps.indexOf(from)))
    // A completed task starts anew; one that was cancelled in its sleep sleeps on.
    else if (task.status === 'completed') task.steps = []
    task.isAsleep &&= from === undefined && task.outcomes.at(-1)?.outcome === 'sleeping'
    this.#queue(task)
    this.#fill()
  }

  delete(task: ModelTask): void {
    this.tasks.splice(this.tasks.indexOf(task), 1)
    this.#fill()
  }

  #end(task: ModelTask, outcome: AttemptOutcome): void {
    task.outcomes.push({ attempt: task.attempt, outcome })
    this.#fill()
  }

  #queue(task: ModelTask, progress = 0): void {
    task.status = 'pending'
    task.due = this.#due++
    task.progress = progress
  }

  #fill(): void {
    for (const task of this.pending.slice(0, this.#slots - this.held.length)) this.start(task)
  }
}
