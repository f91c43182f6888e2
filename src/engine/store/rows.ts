import {
  ATTEMPT_OUTCOMES,
  type LogLevel,
  MAX_SHOWN_ATTEMPTS,
  MAX_SHOWN_STEPS,
  type TaskAttempt,
  type TaskDetail,
  type TaskLogLine,
  type TaskStatus,
  type TaskStep,
  type TaskSummary,
} from '../../contract/task.ts'
import { instant, parseInstant } from '../../db/reading.ts'
import { percentOf } from '../definition/lifecycle.ts'
import { decodeParams, showJson } from '../definition/params.ts'
import { HANDLER_IS_LEFT } from './fence.ts'
import { ATTEMPTS, PARAMS, STEPS } from './tables.ts'

export const TASK_COLUMNS = `t.task_id as "taskId", t.task_type as "taskType", t.status, t.progress, t.total,
          t.step, ${instant('t.created_at')} as "createdAt", ${instant('t.started_at')} as "startedAt", ${instant('t.completed_at')} as "completedAt",
          ${instant('t.run_at')} as "runAt", t.retry_count as "retryCount", t.max_retries as "maxRetries",
          t.error_message as "error", t.result, t.created_by as "createdBy", ${instant('t.cancelled_at')} as "cancelledAt",
          t.timeout_seconds as "timeoutSeconds", t.priority, t.executor_id as "executorId", t.attempt,
          t.unique_key as "uniqueKey", t.concurrency_key as "concurrencyKey", ${HANDLER_IS_LEFT('t')} as stopping,
          ${instant('t.expires_at')} as "expiresAt"`

export const DETAIL_COLUMNS = `${TASK_COLUMNS},
          (select json_object_agg(p.key, p.value) from ${PARAMS} p where p.task_id = t.task_id) as params,
          (select json_agg(json_build_object(
                    'attempt', a.attempt, 'startedAt', a.started_at, 'endedAt', a.ended_at,
                    'outcome', a.outcome, 'error', a.error, 'stack', a.stack,
                    'executorId', a.executor_id, 'spentRetry', a.spent_retry) order by a.attempt)
             from (select attempt, started_at, ended_at, outcome, error, stack, executor_id, spent_retry from ${ATTEMPTS}
                    where task_id = t.task_id order by attempt desc limit ${MAX_SHOWN_ATTEMPTS}) a) as attempts,
          (select json_agg(json_build_object(
                    'name', s.name, 'attempt', s.attempt, 'startedAt', s.started_at, 'endedAt', s.ended_at) order by s.id)
             from (select id, name, attempt, started_at, ended_at from ${STEPS}
                    where task_id = t.task_id order by id desc limit ${MAX_SHOWN_STEPS}) s) as steps,
          (select count(*)::int from ${STEPS} s where s.task_id = t.task_id) as "stepCount"`

export interface SummaryRow extends Omit<TaskSummary, 'percent' | 'status'> {
  readonly status: TaskStatus
}

export interface TaskRow extends SummaryRow {
  readonly result: string | null
  readonly createdBy: string | null
  readonly timeoutSeconds: number
  readonly priority: number
  readonly executorId: string | null
  readonly attempt: number
  readonly uniqueKey: string | null
  readonly concurrencyKey: string | null
  readonly stopping: boolean
  readonly expiresAt: Date | null
}

/** What a task is that no executor has claimed. */
const UNTOUCHED = {
  status: 'pending',
  progress: 0,
  total: 0,
  percent: 0,
  step: null,
  startedAt: null,
  completedAt: null,
  retryCount: 0,
  error: null,
  result: null,
  cancelledAt: null,
  executorId: null,
  stopping: false,
  stepCount: 0,
} as const

/** When a task was created, and when it is due. */
export interface TaskTimes {
  readonly createdAt: Date
  readonly runAt: Date
}

type GivenColumns = Omit<
  TaskDetail,
  keyof typeof UNTOUCHED | keyof TaskTimes | 'params' | 'attempts' | 'steps' | 'waitingFor' | 'paramsPreview'
>

export function newDetail(
  task: GivenColumns,
  { createdAt, runAt }: TaskTimes,
  params: TaskDetail['params'],
): TaskDetail {
  // Column by column: a second spread would take as long as all the rest.
  return {
    ...UNTOUCHED,
    taskId: task.taskId,
    taskType: task.taskType,
    maxRetries: task.maxRetries,
    timeoutSeconds: task.timeoutSeconds,
    createdBy: task.createdBy,
    priority: task.priority,
    uniqueKey: task.uniqueKey,
    concurrencyKey: task.concurrencyKey,
    expiresAt: task.expiresAt,
    createdAt,
    runAt,
    params,
    attempts: [],
    steps: [],
  }
}

export interface DetailRow extends TaskRow {
  readonly waitingFor?: 'executor' | null
  readonly params: Readonly<Record<string, string>> | null
  readonly attempts:
    | (Omit<TaskAttempt, 'startedAt' | 'endedAt' | 'executorId' | 'spentRetry'> & {
        startedAt: string
        endedAt: string
        executorId: string | null
        spentRetry: boolean | null
      })[]
    | null
  readonly steps: (Omit<TaskStep, 'startedAt' | 'endedAt'> & { startedAt: string; endedAt: string })[] | null
  readonly stepCount: number
}

/** The steps of a detail. */
export type ShownSteps = Pick<TaskDetail, 'steps' | 'stepCount'>

export function toSummary<T extends SummaryRow>(row: T): T & Pick<TaskSummary, 'percent'> {
  const percent = percentOf(row.status, row.progress, row.total)
  // A negative count, edited by hand, must not fail a page of tasks.
  return { ...row, percent, retryCount: Math.max(0, row.retryCount), maxRetries: Math.max(0, row.maxRetries) }
}

export function fromDetailRow({
  params,
  attempts,
  steps,
  stepCount,
  waitingFor,
  ...row
}: DetailRow): TaskDetail {
  const ended = (attempts ?? []).map(({ executorId, spentRetry, ...attempt }) => ({
    ...attempt,
    ...(executorId !== null && { executorId }),
    ...(spentRetry === false && { spentRetry }),
    attempt: Math.max(1, attempt.attempt),
    outcome: ATTEMPT_OUTCOMES.includes(attempt.outcome ?? 'failed') ? attempt.outcome : ('failed' as const),
    startedAt: parseInstant(attempt.startedAt),
    endedAt: parseInstant(attempt.endedAt),
  }))
  const shown = { steps: (steps ?? []).map(toStep), stepCount }
  return { ...toDetail(row, params, ended, shown), ...(waitingFor && { waitingFor }) }
}

export function toDetail(
  row: TaskRow,
  params: Readonly<Record<string, string>> | null,
  ended: readonly TaskAttempt[],
  steps: ShownSteps = { steps: [], stepCount: 0 },
): TaskDetail {
  const { attempt: last, result, ...columns } = row
  const attempt = Math.max(1, last)
  return {
    ...toSummary(columns),
    params: decodeParams(params, showJson),
    result: result === null ? null : showJson(result),
    attempts: [...ended, ...latestAttempt(row, attempt, ended)].slice(-MAX_SHOWN_ATTEMPTS),
    ...steps,
  }
}

export function toStep(
  step: Omit<TaskStep, 'startedAt' | 'endedAt'> & { startedAt: string; endedAt: string },
): TaskStep {
  return { ...step, startedAt: parseInstant(step.startedAt), endedAt: parseInstant(step.endedAt) }
}

/** The running or completed attempt, which has no row of its own. */
function latestAttempt(row: TaskRow, attempt: number, ended: readonly TaskAttempt[]): TaskAttempt[] {
  const { status, startedAt, completedAt, executorId } = row
  if (startedAt === null || ended.some((other) => other.attempt === attempt)) return []
  const latest = { attempt, startedAt, error: null, stack: null, ...(executorId !== null && { executorId }) }
  if (status === 'running') return [{ ...latest, endedAt: null, outcome: null }]
  if (status === 'completed') return [{ ...latest, endedAt: completedAt, outcome: 'completed' }]
  return []
}

export function compareIds(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : Number(a > b))
}

export interface LogRow {
  readonly id: number
  readonly level: LogLevel
  readonly message: string
  readonly createdAt: Date
  readonly attempt: number | null
  readonly data: string | null
}

export function toLogLine({ data, ...line }: LogRow): TaskLogLine {
  return data === null ? line : { ...line, data: showJson(data) }
}

const INSTANTS = ['createdAt', 'startedAt', 'completedAt', 'runAt', 'cancelledAt', 'expiresAt']

/** A row of `DETAIL_COLUMNS` that comes as JSON text. */
export function parseDetailRow(text: string): DetailRow {
  const row = JSON.parse(text) as Record<string, unknown>
  for (const key of INSTANTS) if (row[key] !== null) row[key] = parseInstant(row[key] as string)
  // The statement's select list has this shape.
  return row as unknown as DetailRow
}
