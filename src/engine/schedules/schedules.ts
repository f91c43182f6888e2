import { describeValue } from '../../client/describe-value.ts'
import {
  changeScheduleBody,
  createScheduleBody,
  MAX_SCHEDULE_PARAMS_BYTES,
  MAX_SCHEDULES,
  type ScheduleView,
} from '../../contract/schedule.ts'
import { storableText } from '../../contract/task.ts'
import { requireKnownKeys, requireValid } from '../create/arguments.ts'
import type { TaskCreator } from '../create/creator.ts'
import type { ManagerParts } from '../create/manager-parts.ts'
import type { AuditedChange } from '../definition/actor.ts'
import type { CreatedTask } from '../definition/create-options.ts'
import { TaskError } from '../definition/errors.ts'
import { decodeScheduleParams, invalidParams, requireStorable } from '../definition/params.ts'
import type { TaskReference } from '../definition/task-reference.ts'
import { orBusy } from '../runtime/busy.ts'
import {
  declareSchedule,
  deleteSchedule,
  findSchedule,
  insertSchedule,
  listSchedules,
  readClock,
  type ScheduleRow,
  type ScheduleSettings,
  updateSchedule,
} from '../store/schedules.ts'
import { listNext, parseCron, requireNext } from './cron.ts'
import { tickBeingParsed } from './current-tick.ts'
import { readSchedule } from './schedule-faults.ts'
import type { ScheduleChanges, ScheduleOptions } from './schedule-options.ts'

/** The contract's body names the type, code names the task. */
const CHANGE_KEYS: (keyof ScheduleChanges)[] = ['cron', 'timeZone', 'task', 'params', 'enabled', 'missed']

const CHOICE_OF_TICKS = 5

interface SchedulesParts extends ManagerParts {
  readonly creator: TaskCreator
}

/** Creates, changes and reads schedules. Params are stored as given: the type parses them at each tick. */
export class Schedules {
  readonly #parts: SchedulesParts

  constructor(parts: SchedulesParts) {
    this.#parts = parts
  }

  async create(options: ScheduleOptions, change?: AuditedChange): Promise<ScheduleView> {
    const settings = this.#read(options)
    await this.#parts.creator.requireKnown([options.task])
    const ticks = await this.#check(settings)
    const row = await insertSchedule(this.#parts.db, settings, ticks, change)
    if (!row) throw await this.#whyNot(settings.name)
    return this.#changed(row)
  }

  async update(name: string, changes: ScheduleChanges, audited?: AuditedChange): Promise<ScheduleView> {
    requireKnownKeys('schedule', changes, CHANGE_KEYS)
    const { task, ...rest } = changes
    const taskType = task === undefined ? undefined : this.#typeOf(task)
    requireStorable(taskType ?? name, rest.params)
    const given = { ...rest, taskType }
    const { params, ...change } = requireValid('schedule', changeScheduleBody, withoutUndefined(given))
    if (task !== undefined) await this.#parts.creator.requireKnown([task])
    for (;;) {
      const before = await this.#require(name)
      const kept = this.#keepHidden(before, change.taskType, params)
      const settings = { ...before, ...change, ...(kept === undefined ? {} : { params: toText(kept) }) }
      const isNew =
        settings.cron !== before.cron ||
        settings.timeZone !== before.timeZone ||
        settings.enabled !== before.enabled ||
        before.nextRunAt === null
      // An invalid schedule can still be disabled.
      const isOff = Object.keys(changes).every((key) => key === 'enabled') && !settings.enabled
      const ticks = isOff ? [] : await this.#check(settings)
      const written = updateSchedule(this.#parts.db, before, settings, { ticks, isNew }, audited)
      const row = await orBusy('SCHEDULE_BUSY', `schedule '${name}'`, written)
      if (row) return this.#changed(row)
    }
  }

  async delete(name: string, change?: AuditedChange): Promise<void> {
    if (!isStorable(name)) throw notFound(name)
    const written = deleteSchedule(this.#parts.db, name, change)
    const deleted = await orBusy('SCHEDULE_BUSY', `schedule '${name}'`, written)
    if (!deleted) throw notFound(name)
    this.#parts.events.emit('scheduleDeleted', { schedule: name })
    this.#parts.events.emit('schedulesChanged', { schedule: name, deleted: true })
  }

  async find(name: string): Promise<ScheduleView | undefined> {
    const row = await this.#find(name)
    return row && this.#view(row)
  }

  async list(): Promise<ScheduleView[]> {
    return (await listSchedules(this.#parts.db)).map((row) => this.#view(row))
  }

  async run(name: string, createdBy: string | null, audit?: AuditedChange): Promise<CreatedTask> {
    const { taskType, params } = await this.#require(name)
    await this.#tryParams(taskType, params)
    const item = { task: taskType, params: decodeScheduleParams(taskType, params), createdBy }
    return this.#parts.creator.create(item, { audit })
  }

  async declare(all: readonly ScheduleOptions[]): Promise<void> {
    const settings: ScheduleSettings[] = []
    for (const one of all) settings.push(await ofSchedule(one, () => this.#read(one)))
    const twice = settings.find(({ name }, i) => settings.findIndex((other) => other.name === name) !== i)
    if (twice) throw new TaskError('DUPLICATE_SCHEDULE', `schedule '${twice.name}' is declared twice`)
    await this.#parts.creator.requireKnown(all.map(({ task }) => task))
    const checked = []
    for (const one of settings) {
      checked.push({ settings: one, ticks: await ofSchedule(one, () => this.#check(one)) })
    }
    for (const { settings: one, ticks } of checked) {
      const written = declareSchedule(this.#parts.db, one, ticks)
      if (await orBusy('SCHEDULE_BUSY', `schedule '${one.name}'`, written)) {
        this.#parts.events.emit('schedulesChanged', { schedule: one.name })
      }
    }
  }

  #read(options: ScheduleOptions): ScheduleSettings {
    requireKnownKeys('schedule', options, ['name', ...CHANGE_KEYS])
    const { task, ...rest } = options
    const taskType = this.#typeOf(task)
    requireStorable(taskType, rest.params)
    const given = withoutUndefined({ ...rest, taskType })
    const { params = {}, ...settings } = requireValid('schedule', createScheduleBody, given)
    return { ...settings, params: toText(params) }
  }

  /** Restores redacted values of stored params, unless the type changes: another type must not reveal them. */
  #keepHidden(
    before: ScheduleRow,
    taskType: string | undefined,
    params: Record<string, unknown> | undefined,
  ): Record<string, unknown> | undefined {
    if (taskType === undefined || taskType === before.taskType) {
      return params && this.#parts.redaction.restore(before.taskType, params, readSchedule(before).params)
    }
    if (!this.#parts.redaction.hides(before.taskType)) return params
    if (!params) {
      const detail = `is required where the type changes: '${before.taskType}' hides some of them`
      throw invalidParams(taskType, [{ pointer: '', detail }])
    }
    this.#parts.redaction.refuseMarker(before.taskType, params)
    return params
  }

  #typeOf(task: TaskReference): string {
    return this.#parts.factory.findDefinition(task)?.type ?? String(task)
  }

  /** The next ticks: the first ones may have been fired by the time they are written. */
  async #check({ cron, timeZone, taskType, params }: ScheduleSettings): Promise<Date[]> {
    const times = parseCron(cron, timeZone)
    const now = await readClock(this.#parts.db)
    const next = requireNext(times, cron, now)
    await tickBeingParsed.run(next, () => this.#tryParams(taskType, params))
    return listNext(times, now, CHOICE_OF_TICKS)
  }

  /** Parses the params as a tick would. The caller may not see all params that an error is about. */
  async #tryParams(taskType: string, text: string): Promise<void> {
    const params = decodeScheduleParams(taskType, text)
    try {
      await this.#parts.factory.prepare({ task: taskType, params })
    } catch (error) {
      throw this.#parts.redaction.hideInError(taskType, params, error)
    }
  }

  #changed(row: ScheduleRow): ScheduleView {
    this.#parts.events.emit('schedulesChanged', { schedule: row.name })
    return this.#view(row)
  }

  #view(row: ScheduleRow): ScheduleView {
    return this.#parts.redaction.hide(readSchedule(row))
  }

  async #require(name: string): Promise<ScheduleRow> {
    const row = await this.#find(name)
    if (!row) throw notFound(name)
    return row
  }

  async #find(name: string): Promise<ScheduleRow | undefined> {
    return isStorable(name) ? findSchedule(this.#parts.db, name) : undefined
  }

  async #whyNot(name: string): Promise<TaskError> {
    return (await findSchedule(this.#parts.db, name))
      ? new TaskError('DUPLICATE_SCHEDULE', `there is a schedule '${name}' already`)
      : new TaskError('TOO_MANY_SCHEDULES', `there may be ${MAX_SCHEDULES} schedules`)
  }
}

function toText(params: Record<string, unknown>): string {
  const text = JSON.stringify(params)
  if (Buffer.byteLength(text) <= MAX_SCHEDULE_PARAMS_BYTES) return text
  const detail = `is too large: the params of a schedule may take ${MAX_SCHEDULE_PARAMS_BYTES} bytes of JSON`
  throw invalidParams('a schedule', [{ pointer: '', detail }])
}

/** Names the one of several schedules that is invalid. */
async function ofSchedule<T>(
  schedule: { name: unknown } | undefined,
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof TaskError) || error.problems.length === 0) throw error
    const { code, message, problems } = error
    throw new TaskError(code, `schedule ${describeValue(schedule?.name)}: ${message}`, {
      cause: error,
      problems,
    })
  }
}

function withoutUndefined(given: object): object {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

/** A name written by others may be any text. */
function isStorable(name: string): boolean {
  return storableText.safeParse(name).success
}

function notFound(name: string): TaskError {
  return new TaskError('SCHEDULE_NOT_FOUND', `there is no schedule ${JSON.stringify(name)}`)
}
