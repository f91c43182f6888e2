import fc from 'fast-check'
import type { InjectOptions } from 'fastify'
import { withTransaction } from '../../src/db/client.ts'
import type { Actor } from '../../src/engine/definition/actor.ts'
import type { TaskManager } from '../../src/engine/manager/manager.ts'

/** What a change does and to what, over REST and in code. */
export interface Change {
  readonly action: string
  readonly subject: string | null
  /** Absent: a command alone does it. */
  readonly rest?: InjectOptions & { url: string }
  /** Absent: `app.tasks` does not do it. */
  readonly code?: (tasks: TaskManager, options: { actor: Actor }) => Promise<unknown>
  /** Arguments of the command that does the same. */
  readonly cli?: readonly string[]
  /** What the command reads. */
  readonly input?: string
}

/** An entry that a change has to leave. */
export interface Expected {
  readonly action: string
  /** Undefined: any, as the id of a new task. */
  readonly subject: string | null | undefined
  readonly outcome: string
}

/** Names that exist now and then. */
export const NAMES = ['a', 'b', 'c'] as const
const TYPES = ['quick', 'strict', 'nobody'] as const
export const MISSING = `task_${'0'.repeat(32)}`

/** A task by its place among those that were created so far. */
type Pick = (place: number) => string

const place = fc.nat(400)
const priority = fc.integer({ min: -150, max: 150 })

const onTask = (pick: Pick): fc.Arbitrary<Change> =>
  fc
    .tuple(place, fc.constantFrom('cancel', 'retry', 'delete', 'update', 'run_now'), priority)
    .map(([at, what, level]): Change => {
      const taskId = pick(at)
      const url = `/tasks/${taskId}`
      const isCommand = what === 'cancel' || what === 'retry' || what === 'delete'
      const change = { action: `task.${what}`, subject: taskId, ...(isCommand && { cli: [what, taskId] }) }
      switch (what) {
        case 'delete':
          return {
            ...change,
            rest: { method: 'DELETE', url },
            code: (tasks, by) => tasks.deleteTask(taskId, by),
          }
        case 'update': {
          const payload = { priority: level }
          return {
            ...change,
            rest: { method: 'PATCH', url, payload },
            code: (tasks, by) => tasks.updateTask(taskId, payload, by),
          }
        }
        case 'cancel':
          return {
            ...change,
            rest: { method: 'POST', url: `${url}/cancel` },
            code: (tasks, by) => tasks.cancelTask(taskId, by),
          }
        case 'retry':
          return {
            ...change,
            rest: { method: 'POST', url: `${url}/retry` },
            code: (tasks, by) => tasks.retryTask(taskId, by),
          }
        default:
          return {
            ...change,
            rest: { method: 'POST', url: `${url}/run-now` },
            code: (tasks, by) => tasks.runNow(taskId, by),
          }
      }
    })

const onType = fc.tuple(fc.constantFrom('pause', 'resume'), fc.constantFrom(...TYPES)).map(
  ([what, taskType]): Change => ({
    action: `type.${what}`,
    subject: taskType,
    rest: { method: 'POST', url: `/task-types/${taskType}/${what}` },
    cli: [what, taskType],
    code: (tasks, by) =>
      what === 'pause' ? tasks.pauseTaskType(taskType, by) : tasks.resumeTaskType(taskType, by),
  }),
)

const onSchedule = fc
  .tuple(fc.constantFrom('create', 'update', 'delete', 'run'), fc.constantFrom(...NAMES), fc.boolean())
  .map(([what, name, isWrong]): Change => {
    const change = { action: `schedule.${what}`, subject: name }
    const cron = isWrong ? 'never' : '@yearly'
    const url = `/schedules/${name}`
    if (what === 'create') {
      return {
        ...change,
        rest: { method: 'POST', url: '/schedules', payload: { name, cron, taskType: 'quick' } },
        code: (tasks, by) => tasks.createSchedule({ name, cron, task: 'quick' }, by),
      }
    }
    if (what === 'update') {
      return {
        ...change,
        rest: { method: 'PATCH', url, payload: { cron } },
        cli: ['schedules', isWrong ? 'disable' : 'enable', name],
        code: (tasks, by) => tasks.updateSchedule(name, { cron }, by),
      }
    }
    if (what === 'run') {
      return {
        ...change,
        rest: { method: 'POST', url: `${url}/run` },
        cli: ['schedules', 'run', name],
        code: (tasks, by) => tasks.runSchedule(name, by),
      }
    }
    return { ...change, rest: { method: 'DELETE', url }, code: (tasks, by) => tasks.deleteSchedule(name, by) }
  })

/** `n` is wrong for the type `strict` now and then. */
const create = fc
  .record({
    taskType: fc.constantFrom(...TYPES),
    n: fc.constantFrom(1, 2, 'x'),
    delayMs: fc.constantFrom(0, 600_000),
    uniqueKey: fc.constantFrom(undefined, 'k1', 'k2'),
    onDuplicate: fc.constantFrom('return', 'reject', 'replace'),
  })
  .map(({ taskType, n, delayMs, uniqueKey, onDuplicate }): Change => {
    const params = { n }
    const options = { delayMs, ...(uniqueKey && { uniqueKey, onDuplicate }) }
    const ofKey = uniqueKey ? ['--unique-key', uniqueKey, '--on-duplicate', onDuplicate] : []
    return {
      cli: ['create', taskType, JSON.stringify(params), '--delay-ms', String(delayMs), ...ofKey],
      action: 'task.create',
      subject: taskType,
      rest: { method: 'POST', url: '/tasks', payload: { taskType, params, ...options } },
      code: (tasks, { actor }) => tasks.createTask(taskType, params, { ...options, actor }),
    }
  })

const bulk = (pick: Pick) =>
  fc
    .tuple(fc.constantFrom('cancel', 'retry', 'delete'), fc.array(place, { minLength: 1, maxLength: 4 }))
    .map(([action, places]): Change => {
      const taskIds = places.map(pick)
      return {
        action: `task.${action}`,
        subject: null,
        rest: { method: 'POST', url: '/tasks/bulk', payload: { action, taskIds } },
        cli: [action, ...taskIds],
        code: (tasks, by) => tasks.bulk({ action, taskIds }, by),
      }
    })

/** Users that exist now and then. */
const USERS = ['u1', 'u2', 'u3'] as const
const GOOD = 'a quiet river bends'

/** The id of a user; for a name that nobody has, the name. */
type IdOf = (username: string) => string

const onUser = (idOf: IdOf) =>
  fc
    .record({
      what: fc.constantFrom('create', 'create', 'role', 'disable', 'passwd', 'logout'),
      name: fc.constantFrom(...USERS),
      role: fc.constantFrom('admin', 'viewer'),
      password: fc.constantFrom(GOOD, 'too short'),
      isManaged: fc.boolean(),
    })
    .map(({ what, name, role, password, isManaged }): Change => {
      const patch = (username: string, payload: object) => ({
        rest: { method: 'PATCH' as const, url: `/auth/users/${idOf(username)}`, payload },
      })
      if (what === 'create') {
        const payload = { username: name, password, role }
        const rest = { method: 'POST' as const, url: '/auth/users', payload }
        return {
          ...{ action: 'user.create', subject: name, rest },
          ...{ cli: ['users', 'add', name, '--role', role], input: password },
        }
      }
      if (what === 'passwd') {
        return {
          ...{ action: 'user.password', subject: name, ...patch(name, { password }) },
          ...{ cli: ['users', 'passwd', name], input: password },
        }
      }
      if (what === 'logout') return { action: 'session.end', subject: name, cli: ['users', 'logout', name] }
      // Of the admin of the environment it is refused.
      const whose = isManaged ? 'admin' : name
      return what === 'role'
        ? {
            ...{ action: 'user.update', subject: whose, ...patch(whose, { role: 'viewer' }) },
            cli: ['users', 'role', whose, 'viewer'],
          }
        : {
            ...{ action: 'user.update', subject: whose, ...patch(whose, { disabled: true }) },
            cli: ['users', 'disable', whose],
          }
    })

/** What no route takes. */
const invalid: Change = {
  action: 'task.create',
  subject: 'quick',
  rest: { method: 'POST', url: '/tasks', payload: { taskType: 'quick', colour: 'red' } },
  code: (tasks, by) => tasks.createTask('quick', {}, { ...by, colour: 'red' } as never),
}

/** Changes one after the other, always the same for a seed. */
export function sampleChange(pick: Pick, idOf: IdOf, seed: number): Change {
  const any = fc.oneof(
    { weight: 8, arbitrary: create },
    { weight: 10, arbitrary: onTask(pick) },
    { weight: 2, arbitrary: bulk(pick) },
    { weight: 2, arbitrary: onType },
    { weight: 4, arbitrary: onSchedule },
    { weight: 1, arbitrary: fc.constant(invalid) },
    { weight: 1, arbitrary: onUser(idOf) },
  )
  return fc.sample(any, { seed, numRuns: 1 })[0] ?? invalid
}

/** The entries that follow from what the caller got. */
export function expectedOf(change: Change, result: unknown, code: string | undefined): Expected[] {
  const { action, subject } = change
  if (code !== undefined) {
    const named = subject === null ? { action: 'task.bulk', subject } : { action, subject }
    return [{ ...named, outcome: code }]
  }
  const { results, taskId } = (result ?? {}) as {
    results?: { taskId: string; code?: string }[]
    taskId?: string
  }
  if (results) return results.map((one) => ({ action, subject: one.taskId, outcome: one.code ?? 'ok' }))
  return [{ action, subject: action === 'task.create' ? taskId : subject, outcome: 'ok' }]
}

class RolledBack extends Error {}

/** Creates tasks in a transaction that does not commit. */
export async function rollBack(
  tasks: TaskManager,
  pool: Parameters<typeof withTransaction>[0],
  actor: Actor,
) {
  const work = withTransaction(pool, async (tx) => {
    await tasks.createTask('quick', { n: 1 }, { tx, actor })
    await tasks.createTasks([{ task: 'quick' }, { task: 'quick', uniqueKey: `r${actor.requestId}` }], {
      tx,
      actor,
    })
    throw new RolledBack()
  })
  await work.catch((error: unknown) => {
    if (!(error instanceof RolledBack)) throw error
  })
}
