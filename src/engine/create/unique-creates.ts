import { isTransient } from '../../db/errors.ts'
import type { CreatedTask } from '../definition/create-options.ts'
import { TaskError } from '../definition/errors.ts'
import type { NewTask } from '../store/insert.ts'

export type NewUniqueTask = NewTask & { readonly uniqueKey: string }

interface Waiting {
  readonly task: NewUniqueTask
  readonly answer: PromiseWithResolvers<CreatedTask>
}

/**
 * Creates of one process by their unique keys: one a key is under way at a time. All that come meanwhile share the
 * next one, which begins after each of them did, so that its answer is true for all: at most one of them has made the
 * task. A key that somebody's open transaction holds up costs one connection, however many callers want it.
 */
export class UniqueCreates {
  readonly #create: (task: NewUniqueTask) => Promise<CreatedTask>
  /** Of the keys that are under way. */
  readonly #waiting = new Map<string, Waiting[]>()

  constructor(create: (task: NewUniqueTask) => Promise<CreatedTask>) {
    this.#create = create
  }

  add(task: NewUniqueTask): Promise<CreatedTask> {
    const answer = Promise.withResolvers<CreatedTask>()
    const waiting = this.#waiting.get(task.uniqueKey)
    if (waiting) waiting.push({ task, answer })
    else void this.#run(task.uniqueKey, { task, answer })
    return answer.promise
  }

  async #run(key: string, first: Waiting): Promise<void> {
    const waiting = [first]
    this.#waiting.set(key, waiting)
    while (waiting.length > 0) {
      const [leader, ...others] = waiting.splice(0) as [Waiting, ...Waiting[]]
      try {
        const created = await this.#create(leader.task)
        leader.answer.resolve(created)
        for (const { answer } of others) answer.resolve({ ...created, created: false })
      } catch (error) {
        leader.answer.reject(error)
        // What is wrong with one task must not fail the others; an outage, or a key held up, meets them all alike.
        if (isTransient(error) || error instanceof TaskError) {
          for (const { answer } of others) answer.reject(error)
        } else waiting.unshift(...others)
      }
    }
    this.#waiting.delete(key)
  }
}
