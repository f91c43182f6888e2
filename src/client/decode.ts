import type { BulkAnswer } from '../contract/bulk.ts'
import type { ScheduleView } from '../contract/schedule.ts'
import type { TaskStats } from '../contract/stats.ts'
import type {
  ExecutorView,
  TaskAttempt,
  TaskDetail,
  TaskList,
  TaskLogLine,
  TaskLogPage,
  TaskSummary,
} from '../contract/task.ts'
import { TasksApiError } from './errors.ts'

/*
 * Answers as the contract's schemas would decode them: instants become dates, fields that are not known here pass.
 * The schemas themselves would cost a page 90 kB of compressed code; their types cost nothing.
 */

type DateKey<T> = { [K in keyof T]-?: Date extends T[K] ? K : never }[keyof T]

const SUMMARY_DATES = ['createdAt', 'startedAt', 'completedAt', 'cancelledAt', 'runAt'] as const
const SCHEDULE_DATES = ['nextRunAt', 'lastRunAt', 'createdAt', 'updatedAt'] as const

export const decodeSummary = decoder<TaskSummary>(SUMMARY_DATES)
export const decodeLine = decoder<TaskLogLine>(['createdAt'])
export const decodeSchedule = decoder<ScheduleView>(SCHEDULE_DATES)
const decodeAttempt = decoder<TaskAttempt>(['startedAt', 'endedAt'])
const decodeExecutor = decoder<ExecutorView>(['startedAt'])
const decodeMinute = decoder<TaskStats['finishedPerMinute'][number]>(['minute'])
const decodeDetailDates = decoder<TaskDetail>(SUMMARY_DATES)

export function decodeDetail<T extends TaskDetail>(json: unknown): T {
  const detail = decodeDetailDates(json)
  decodeEach(detail.attempts, decodeAttempt)
  // What a subtype adds are plain values.
  return detail as T
}

export function decodeList(json: unknown): TaskList {
  const list = requireObject<TaskList>(json)
  decodeEach(list.tasks, decodeSummary)
  return list
}

export function decodeLogPage(json: unknown): TaskLogPage {
  const page = requireObject<TaskLogPage>(json)
  decodeEach(page.logs, decodeLine)
  return page
}

export function decodeStats(json: unknown): TaskStats {
  const stats = requireObject<TaskStats>(json)
  decodeEach(stats.finishedPerMinute, decodeMinute)
  return stats
}

export function decodeExecutors(json: unknown): ExecutorView[] {
  return decodeEach(requireObject<{ executors: ExecutorView[] }>(json).executors, decodeExecutor)
}

export function decodeSchedules(json: unknown): ScheduleView[] {
  return decodeEach(requireObject<{ schedules: ScheduleView[] }>(json).schedules, decodeSchedule)
}

export const decodeBulk = (json: unknown): BulkAnswer => requireObject<BulkAnswer>(json)

/** The answer was parsed for us alone: it is changed in place. */
function decoder<T extends object>(dates: readonly DateKey<T>[]): (json: unknown) => T {
  return (json) => {
    const object = requireObject<T>(json)
    for (const key of dates) {
      const text: unknown = object[key]
      if (typeof text === 'string') object[key] = new Date(text) as T[typeof key]
    }
    return object
  }
}

function decodeEach<T>(items: T[], decode: (json: unknown) => T): T[] {
  if (!Array.isArray(items)) throw unexpected('a list', items)
  for (const item of items) decode(item)
  return items
}

/** What a server of this package answers; anything else says so itself, not by an undefined property later. */
export function requireObject<T extends object>(json: unknown): T {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw unexpected('an object', json)
  return json as T
}

function unexpected(what: string, json: unknown): TasksApiError {
  const shown = String(JSON.stringify(json)).slice(0, 100)
  return new TasksApiError(`expected ${what} in the answer, got ${shown}`, {
    status: 200,
    code: 'INVALID_RESPONSE',
  })
}
