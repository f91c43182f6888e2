import { keepPreviousData, useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import type { AuditEntry, TaskAttempt, TaskDetail } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Around } from '../../components/around.tsx'
import { ExecutorName } from '../../components/executor-name.tsx'
import { titleOf } from '../../components/foreign.tsx'
import { Ago, Elapsed, Instant } from '../../components/time.tsx'
import type { Dictionary } from '../../i18n/en.ts'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { callerQuery, every } from '../../state/queries.ts'
import { findChanges, findCreation, findRetry, stateOf } from './changes.ts'
import { findManualRetries, numberOfNext } from './manual-retries.ts'

/** Attempts shown: a task that was retried for weeks has hundreds. */
const SHOWN = 8
/** A cancel's entry is written a moment after the instant at which the task has ended by it. */
const SAME_MS = 1_000
/** Changes that the page is not notified of, such as those of params. */
const EVERY_MS = 10_000

interface Moment {
  readonly key: string
  readonly kind: string
  readonly title: string
  readonly at: Date
  readonly details: ReactNode
  /** What lay between this moment and the one before. */
  readonly gap?: ReactNode
}

/** From its creation to its end: how long it waited, how long each attempt took, and what people did. */
export function Timeline({ task }: { task: TaskDetail }) {
  const text = useText()
  const moments = listMoments(task, useAudit(task), text)
  return (
    <ol className="timeline">
      {moments.map(({ key, kind, title, at, details, gap }) => (
        <li key={key} className={`moment moment-${kind}`}>
          {gap && <div className="moment-gap">{gap}</div>}
          <div className="moment-body">
            <span className="dot" aria-hidden="true" />
            <span className="moment-title">{title}</span>
            <span className="moment-at">
              <Instant at={at} />
            </span>
            {details && <div className="moment-details">{details}</div>}
          </div>
        </li>
      ))}
    </ol>
  )
}

/** Nothing for those who may not read it: an owner, or whom the host refuses. */
function useAudit(task: TaskDetail): readonly AuditEntry[] {
  const caller = useQuery(callerQuery).data
  const audit = useQuery({
    queryKey: ['audit', task.taskId, stateOf(task)],
    queryFn: ({ signal }) => client.listAudit({ subject: task.taskId }, { signal }),
    enabled: caller !== undefined && caller.role !== 'owner',
    refetchInterval: every(EVERY_MS),
    placeholderData: keepPreviousData,
  })
  return audit.data?.entries ?? []
}

function listMoments(task: TaskDetail, audit: readonly AuditEntry[], text: Dictionary): Moment[] {
  const { createdAt, attempts, status } = task
  const shown = attempts.slice(-SHOWN)
  const isCut = shown.length < attempts.length
  const changes = findChanges(audit, (isCut ? shown[0]?.startedAt : undefined) ?? createdAt)
  const creation = findCreation(audit)
  const created: Moment = {
    key: 'created',
    kind: 'created',
    title: text.detail.created,
    at: createdAt,
    details: creation && describeActor(creation, text),
  }
  const moments = [created, ...changes.map((entry, index) => ofChange(entry, index, text))]
  const retriedBefore = findManualRetries(task)
  for (const [index, attempt] of shown.entries()) {
    const before = index === 0 ? attempts.at(-SHOWN - 1) : shown[index - 1]
    const since = before ? before.endedAt : createdAt
    const retry = before && since && findRetry(changes, since, attempt.startedAt)
    const isManual = retriedBefore.has(attempt.attempt) && !retry
    moments.push(ofAttempt(attempt, retry?.at ?? since, isManual, text))
  }
  const endedAt = task.completedAt ?? task.cancelledAt
  if (status !== 'pending' && status !== 'running' && endedAt !== null) {
    moments.push({
      key: 'ended',
      kind: status,
      title: text.detail.ended[status],
      at: endedAt,
      details: <Around words={text.detail.inAll}>{<Elapsed from={createdAt} to={endedAt} />}</Around>,
    })
  }
  const place = ({ key, at }: Moment) => at.getTime() + (key === 'ended' ? SAME_MS : 0)
  moments.sort((one, other) => place(one) - place(other))
  if (status === 'pending') {
    const since = attempts.at(-1)?.endedAt ?? createdAt
    const retry = findRetry(changes, since, null)
    // A retry by hand makes it due at once.
    const guess = retriedBefore.has(numberOfNext(attempts)) ? task.runAt : since
    moments.push(ofWaiting(task, retry?.at ?? guess, text))
  }
  return moments
}

/** What somebody has done. */
function ofChange(entry: AuditEntry, index: number, text: Dictionary): Moment {
  const { at, action, outcome } = entry
  const title = text.activity.actions[action] ?? visible(action)
  return {
    key: `change-${at.getTime()}-${index}`,
    kind: 'change',
    title: outcome === 'ok' ? title : text.detail.cancelRequested,
    at,
    details: describeActor(entry, text),
  }
}

function describeActor({ actor: { id, name } }: AuditEntry, text: Dictionary): ReactNode {
  const who = name ?? id
  return who === null ? null : <span className="foreign">{text.detail.by(visible(who))}</span>
}

function ofAttempt(attempt: TaskAttempt, since: Date | null, isManual: boolean, text: Dictionary): Moment {
  const { startedAt, endedAt, outcome, error, executorId } = attempt
  const words = outcome === null ? text.detail.runs : text.detail.took
  return {
    key: `attempt-${attempt.attempt}`,
    kind: outcome ?? 'running',
    title: text.detail.attempt(attempt.attempt),
    at: startedAt,
    gap: since !== null && startedAt.getTime() - since.getTime() >= 1 && (
      <Around words={isManual ? text.detail.retriedAfter : text.detail.waited}>
        <Elapsed from={since} to={startedAt} />
      </Around>
    ),
    details: (
      <>
        {outcome !== null && `${text.outcome[outcome]} `}
        <Around words={words}>
          <Elapsed from={startedAt} to={endedAt} />
        </Around>
        {executorId !== undefined && (
          <span className="moment-executor">
            <ExecutorName id={executorId} />
          </span>
        )}
        {error !== null && outcome !== 'completed' && <span className="moment-error">{titleOf(error)}</span>}
      </>
    ),
  }
}

/** Not begun, or between two attempts. */
function ofWaiting({ runAt }: TaskDetail, since: Date, text: Dictionary): Moment {
  return {
    key: 'waiting',
    kind: 'pending',
    title: text.status.pending,
    at: runAt,
    gap: (
      <Around words={text.detail.waits}>
        <Elapsed from={since} to={null} />
      </Around>
    ),
    details: (
      <Around words={text.detail.dueIn}>
        <Ago at={runAt} />
      </Around>
    ),
  }
}
