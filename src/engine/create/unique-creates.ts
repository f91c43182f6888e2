import { isTransient } from '../../db/errors.ts'
import type { CreatedTask } from '../definition/create-options.ts'
import { TaskError } from '../definition/errors.ts'
import type { NewUniqueTask } from './created.ts'

interface Waiting {
  readonly task: NewUniqueTask
  readonly created: PromiseWithResolvers<CreatedTask>
}

/** One create per unique key is in flight, so callers that wait for a key use one connection. */
export class UniqueCreates {
  readonly #create: (task: NewUniqueTask) => Promise<CreatedTask>
  readonly #waiting = new Map<string, Waiting[]>()

  constructor(create: (task: NewUniqueTask) => Promise<CreatedTask>) {
    this.#create = create
  }

  add(task: NewUniqueTask): Promise<CreatedTask> {
    const created = Promise.withResolvers<CreatedTask>()
    const waiting = this.#waiting.get(task.uniqueKey)
    if (waiting) waiting.push({ task, created })
    else void this.#run(task.uniqueKey, { task, created })
    return created.promise
  }

  async #run(key: string, first: Waiting): Promise<void> {
    const waiting = [first]
    this.#waiting.set(key, waiting)
    while (waiting.length > 0) {
      // They share a create that begins after their calls: an earlier one may return a holder that has ended.
      const [leader, ...others] = waiting.splice(0) as [Waiting, ...Waiting[]]
      try {
        const task = await this.#create(leader.task)
        leader.created.resolve(task)
        for (const { created } of others) created.resolve({ ...task, created: false })
      } catch (error) {
        leader.created.reject(error)
        // An outage or a busy key fails all; an error of one task must not fail the others.
        if (isTransient(error) || error instanceof TaskError) {
          for (const { created } of others) created.reject(error)
        } else waiting.unshift(...others)
      }
    }
    this.#waiting.delete(key)
  }
}
