import { setTimeout as delay } from 'node:timers/promises'
import { isTransient } from '../../db/errors.ts'
import type { CreatedTask } from '../definition/create-options.ts'
import { TaskError } from '../definition/errors.ts'
import { mayReplace } from '../store/replace.ts'
import type { NewUniqueTask } from './created.ts'

interface Waiting {
  readonly task: NewUniqueTask
  readonly created: PromiseWithResolvers<UniqueResult>
}

export interface UniqueCreated {
  readonly created: CreatedTask
  /** How long the next create of the key waits. */
  readonly restMs: number
}

export interface UniqueResult {
  readonly created: CreatedTask
  /** Taken from another create of the same moment. */
  readonly isShared: boolean
}

/** One create per unique key is in flight, so callers that wait for a key use one connection. */
export class UniqueCreates {
  readonly #create: (task: NewUniqueTask) => Promise<UniqueCreated>
  readonly #waiting = new Map<string, Waiting[]>()

  constructor(create: (task: NewUniqueTask) => Promise<UniqueCreated>) {
    this.#create = create
  }

  add(task: NewUniqueTask): Promise<UniqueResult> {
    const created = Promise.withResolvers<UniqueResult>()
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
      const { leader, followers, others } = split(waiting.splice(0))
      waiting.unshift(...others)
      let restMs = 0
      try {
        const { created: task, restMs: rest } = await this.#create(leader.task)
        restMs = rest
        leader.created.resolve({ created: task, isShared: false })
        for (const follower of followers) {
          follower.created.resolve({ created: shared(task, follower), isShared: true })
        }
      } catch (error) {
        leader.created.reject(error)
        // An outage or a busy key fails all; an error of one task must not fail the others.
        if (isTransient(error) || error instanceof TaskError) {
          for (const { created } of followers) created.reject(error)
        } else waiting.unshift(...followers)
      }
      if (restMs > 0) await delay(restMs)
    }
    this.#waiting.delete(key)
  }
}

const replaces = ({ task }: Waiting) => task.onDuplicate === 'replace'

/** The last replacement counts. One of another type or creator does not: it may find its own task later. */
function split(all: Waiting[]): { leader: Waiting; followers: Waiting[]; others: Waiting[] } {
  const leader = all.findLast(replaces) ?? (all[0] as Waiting)
  const isOther = (one: Waiting) => replaces(one) && !mayReplace(one.task, leader.task)
  return {
    leader,
    followers: all.filter((one) => one !== leader && !isOther(one)),
    others: all.filter(isOther),
  }
}

/** As if the leader's call had come first, and for a replacement, as if it had been replaced by the leader's. */
function shared({ replaced, ...task }: CreatedTask, follower: Waiting): CreatedTask {
  const isReplaced = (task.created || replaced === true) && mayReplace(follower.task, task)
  return { ...task, created: false, ...(replaces(follower) && { replaced: isReplaced }) }
}
