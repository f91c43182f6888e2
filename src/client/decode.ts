import type { AuditEntry, AuditPage } from '../contract/audit.ts'
import type { ErrorGroup } from '../contract/error-group-views.ts'
import type { Overview, OverviewSpan } from '../contract/overview.ts'
import type { ScheduleTick, ScheduleTicks, ScheduleView } from '../contract/schedule.ts'
import type { AccountView, OpenSessionView } from '../contract/session.ts'
import type { TaskStats } from '../contract/stats.ts'
import type {
  ExecutorRun,
  ExecutorRuns,
  ExecutorView,
  TaskAttempt,
  TaskDetail,
  TaskList,
  TaskLogLine,
  TaskLogPage,
  TaskStep,
  TaskSummary,
  TaskTypeView,
} from '../contract/task.ts'
import { invalidResponse } from './errors.ts'

/*
 * Responses as the contract's schemas would decode them: instants become dates, fields that are not known here pass.
 * The schemas themselves would cost a page 90 kB of compressed code; their types cost nothing.
 */

type DateKey<T> = { [K in keyof T]-?: Date extends T[K] ? K : never }[keyof T]
type Lists<T> = { [K in keyof T]?: T[K] extends (infer Item)[] ? (json: unknown) => Item : never }

const SUMMARY_DATES = ['createdAt', 'startedAt', 'completedAt', 'cancelledAt', 'runAt'] as const
const DETAIL_DATES = [...SUMMARY_DATES, 'expiresAt'] as const
const attempts = decoder<TaskAttempt>(['startedAt', 'endedAt'])

export const decodeSummary = decoder<TaskSummary>(SUMMARY_DATES)
export const decodeStep = decoder<TaskStep>(['startedAt', 'endedAt'])
const lists = { attempts, steps: decodeStep }
export const decodeDetail = withSteps(decoder<TaskDetail>(DETAIL_DATES, lists))
export const decodeCreated = withSteps(
  decoder<TaskDetail & { created: boolean; replaced?: boolean }>(DETAIL_DATES, lists),
)
const tasks = decoder<TaskList>([], { tasks: decodeSummary })
const searched = decoder<NonNullable<TaskList['searched']>>(['oldest'])
export function decodeList(json: unknown): TaskList {
  const list = tasks(json)
  if (list.searched) searched(list.searched)
  return list
}
export const decodeLine = decoder<TaskLogLine>(['createdAt'])
export const decodeLogPage = decoder<TaskLogPage>([], { logs: decodeLine })
export const decodeSchedule = decoder<ScheduleView>(['nextRunAt', 'lastRunAt', 'createdAt', 'updatedAt'])
export const decodeSchedules = decoder<{ schedules: ScheduleView[] }>([], { schedules: decodeSchedule })
const decodeTick = decoder<ScheduleTick>(['at'])
export const decodeScheduleTicks = (json: unknown) =>
  decoder<{ schedules: ScheduleTicks[] }>([], {
    schedules: (one) => {
      const ticks = decoder<ScheduleTicks>([], { past: decodeTick })(one)
      ticks.next = toDates(ticks.next)
      return ticks
    },
  })(json)
export const decodeSessions = decoder<{ sessions: OpenSessionView[] }>([], {
  sessions: decoder<OpenSessionView>(['createdAt', 'lastUsedAt', 'expiresAt']),
})
const account = decoder<AccountView>(['createdAt'])
export const decodeUsers = decoder<{ users: AccountView[] }>([], { users: account })
export const decodeUser = (json: unknown) => ({ user: account(requireObject<{ user: unknown }>(json).user) })
export const decodeExecutors = decoder<{ executors: ExecutorView[] }>([], {
  executors: decoder<ExecutorView>(['startedAt']),
})
export const decodeExecutorRuns = decoder<ExecutorRuns>([], {
  runs: decoder<ExecutorRun>(['startedAt', 'endedAt']),
})
export const decodeAudit = decoder<AuditPage>([], { entries: decoder<AuditEntry>(['at']) })
export const decodeErrorGroup = decoder<ErrorGroup>(['firstAt', 'lastAt', 'seenAt', 'hoursUntil'])
export const decodeErrorGroups = decoder<{ errorGroups: ErrorGroup[] }>([], { errorGroups: decodeErrorGroup })
export const decodeStats = decoder<TaskStats>([], {
  finishedPerMinute: decoder<TaskStats['finishedPerMinute'][number]>(['minute']),
})
export const decodeOverview = decoder<Overview>([], { spans: decoder<OverviewSpan>(['at']) })

const rateLimit = decoder<NonNullable<TaskTypeView['rateLimit']>>(['nextPermitAt'])

/** A server of an earlier version knows no rate limits. */
export function decodeType(json: unknown): TaskTypeView {
  const type = requireObject<TaskTypeView>(json)
  return { ...type, rateLimit: type.rateLimit ? rateLimit(type.rateLimit) : null }
}
export const decodeTypes = decoder<{ taskTypes: TaskTypeView[] }>([], { taskTypes: decodeType })

/** A server of an earlier version knows no steps. */
function withSteps<T>(decode: (json: unknown) => T): (json: unknown) => T {
  return (json) => decode({ steps: [], stepCount: 0, ...requireObject<object>(json) })
}

function toDates(texts: unknown): Date[] {
  if (!Array.isArray(texts)) throw unexpected('a list', texts)
  return texts.map((text: string) => new Date(text))
}

/** The response was parsed for us alone: it is changed in place. */
function decoder<T extends object>(dates: readonly DateKey<T>[], lists: Lists<T> = {}): (json: unknown) => T {
  return (json) => {
    const object = requireObject<T>(json)
    for (const key of dates) {
      const text: unknown = object[key]
      if (typeof text === 'string') object[key] = new Date(text) as T[typeof key]
    }
    for (const [key, decode] of Object.entries(lists) as [string, (json: unknown) => unknown][]) {
      const items: unknown = Reflect.get(object, key)
      if (!Array.isArray(items)) throw unexpected('a list', items)
      items.forEach(decode)
    }
    return object
  }
}

/** What a server of this package returns; anything else is an error here, not an undefined property later. */
export function requireObject<T extends object>(json: unknown): T {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw unexpected('an object', json)
  return json as T
}

function unexpected(what: string, json: unknown): Error {
  const shown = String(JSON.stringify(json)).slice(0, 100)
  return invalidResponse(`expected ${what} in the response, got ${shown}`)
}
