import type { ReactNode } from 'react'
import type { TaskAttempt, TaskDetail } from '../../../client/index.ts'
import { ExecutorName } from '../../components/executor-name.tsx'
import { titleOf } from '../../components/foreign.tsx'
import { Ago, Elapsed, Instant } from '../../components/time.tsx'
import { useText } from '../../i18n/text.ts'
import { findManualRetries, numberOfNext } from './manual-retries.ts'

/** Attempts shown: a task that was retried for weeks has hundreds. */
const SHOWN = 8

interface Moment {
  readonly key: string
  readonly kind: string
  readonly title: string
  readonly at: Date
  readonly details: ReactNode
  /** What lay between this moment and the one before. */
  readonly gap?: ReactNode
}

/** From its creation to its end: how long it waited, and how long each attempt took. */
export function Timeline({ task }: { task: TaskDetail }) {
  const moments = useMoments(task)
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

function useMoments(task: TaskDetail): Moment[] {
  const text = useText()
  const { createdAt, attempts, status } = task
  const shown = attempts.slice(-SHOWN)
  const created: Moment = {
    key: 'created',
    kind: 'created',
    title: text.detail.created,
    at: createdAt,
    details: null,
  }
  const moments = [created]
  const retriedBefore = findManualRetries(task)
  for (const [index, attempt] of shown.entries()) {
    const before = index === 0 ? attempts.at(-SHOWN - 1) : shown[index - 1]
    const since = before ? before.endedAt : createdAt
    moments.push(ofAttempt(attempt, since, retriedBefore.has(attempt.attempt), text))
  }
  const last = attempts.at(-1)
  const endedAt = task.completedAt ?? task.cancelledAt
  if (status === 'pending') {
    // A retry by hand makes it due at once.
    const since = retriedBefore.has(numberOfNext(attempts)) ? task.runAt : (last?.endedAt ?? createdAt)
    moments.push(ofWaiting(task, since, text))
  } else if (status !== 'running' && endedAt !== null) {
    moments.push({
      key: 'ended',
      kind: status,
      title: text.detail.ended[status],
      at: endedAt,
      details: <Around words={text.detail.inAll}>{<Elapsed from={createdAt} to={endedAt} />}</Around>,
    })
  }
  return moments
}

function ofAttempt(
  attempt: TaskAttempt,
  since: Date | null,
  isManual: boolean,
  text: ReturnType<typeof useText>,
): Moment {
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
function ofWaiting({ runAt }: TaskDetail, since: Date, text: ReturnType<typeof useText>): Moment {
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

/** A phrase of the dictionary with something that moves in it. */
function Around({ words, children }: { words: (what: string) => string; children: ReactNode }) {
  const [before, after] = words('\u0000').split('\u0000')
  return (
    <span>
      {before}
      {children}
      {after}
    </span>
  )
}
