import type { TaskAttempt, TaskDetail } from '../../../client/index.ts'
import { CopyButton } from '../../components/copy-button.tsx'
import { LongText } from '../../components/foreign.tsx'
import { Elapsed, Instant } from '../../components/time.tsx'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { isActive } from './use-task-feed.ts'

/** Newest first; the one that failed last is open. */
export function Attempts({ task }: { task: TaskDetail }) {
  const text = useText()
  const attempts = task.attempts.toReversed()
  const lastFailed = attempts.find(({ error }) => error !== null)
  return (
    <section className="card">
      <h2>{text.detail.attempts}</h2>
      {attempts.length === 0 && (
        <p className="muted">{isActive(task) ? text.detail.noAttempts : text.detail.neverStarted}</p>
      )}
      <div className="attempts">
        {attempts.slice(0, 50).map((attempt) => (
          <AttemptEntry key={attempt.attempt} attempt={attempt} isOpen={attempt === lastFailed} />
        ))}
      </div>
    </section>
  )
}

function AttemptEntry({ attempt, isOpen }: { attempt: TaskAttempt; isOpen: boolean }) {
  const text = useText()
  const { error, stack } = attempt
  const head = <AttemptHead attempt={attempt} />
  if (error === null) return <div className="attempt">{head}</div>
  return (
    <details className="attempt" open={isOpen}>
      <summary>{head}</summary>
      <div className="attempt-error">
        <pre>
          <LongText text={visible(error)} />
        </pre>
        <CopyButton value={stack ?? error} what={stack ? text.detail.stack : text.detail.error} />
      </div>
      {stack && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard
        <section className="stack" tabIndex={0} aria-label={text.detail.stack}>
          <pre>
            <LongText text={visible(stack)} />
          </pre>
        </section>
      )}
    </details>
  )
}

function AttemptHead({ attempt: { attempt, startedAt, endedAt, outcome } }: { attempt: TaskAttempt }) {
  const text = useText()
  const kind =
    outcome === null ? 'running' : outcome === 'timed_out' || outcome === 'lost' ? 'failed' : outcome
  return (
    <span className="attempt-head">
      <span className={`badge badge-${kind === 'interrupted' || kind === 'sleeping' ? 'scheduled' : kind}`}>
        <span className="dot" aria-hidden="true" />
        {text.outcome[outcome ?? 'running']}
      </span>
      <span className="strong">{text.detail.attempt(attempt)}</span>
      <span className="muted">
        <Instant at={startedAt} />
      </span>
      <span className="muted">
        <Elapsed from={startedAt} to={endedAt} />
      </span>
    </span>
  )
}
