import { useState } from 'react'
import type { TaskSummary } from '../../client/index.ts'
import { TimeLeft as Guesses } from '../../client/time-left.ts'
import { useText } from '../i18n/text.ts'
import { formatSeconds } from '../i18n/time.ts'
import { useNow } from '../state/clock.ts'
import { language } from '../state/preferences.ts'
import { connection } from '../state/session.ts'
import { useStore } from '../state/store.ts'

export function ProgressBar({ task, label }: { task: TaskSummary; label: string }) {
  const { percent, status, total, retryCount } = task
  const isOpen = status === 'running' && total === 0
  return (
    <div
      className={`bar bar-${status} ${isOpen ? 'bar-open' : ''}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(isOpen ? {} : { 'aria-valuenow': percent })}
    >
      {/* Another element for another attempt: it would slide from where the last one stood. */}
      <div
        key={`${retryCount} ${isOpen}`}
        className="bar-fill"
        style={{ transform: `scaleX(${isOpen ? 1 : percent / 100})` }}
      />
    </div>
  )
}

export function TimeLeft({ task }: { task: TaskSummary }) {
  const { taskId, status, startedAt } = task
  return status === 'running' ? <LeftOfAttempt key={`${taskId} ${startedAt?.getTime()}`} task={task} /> : null
}

/**
 * By the pace that the page has seen of this attempt, which may have begun with the progress of others. Shows nothing until
 * there is a pace, and while the connection is lost.
 */
function LeftOfAttempt({ task }: { task: TaskSummary }) {
  const text = useText()
  const lang = useStore(language)
  useNow()
  const isLost = useStore(connection) === 'lost'
  // Nobody knows when the first progress was reported: a pace begins with the next report.
  const [first] = useState(task.progress)
  const [guesses] = useState(() => new Guesses())
  const left =
    task.progress === first ? undefined : guesses.guess({ ...task, startedAt: null }, performance.now())
  if (isLost || !left) return null
  return <span className="num">{text.list.left(formatSeconds(Math.ceil(left), lang))}</span>
}
