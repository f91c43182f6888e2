import type { TaskSummary } from '../../client/index.ts'
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

/** From what the attempt has done so far; nothing until it has done something, nor while nobody knows. */
export function TimeLeft({ task }: { task: TaskSummary }) {
  const text = useText()
  const lang = useStore(language)
  const now = useNow()
  const isLost = useStore(connection) === 'lost'
  const { status, progress, total, startedAt } = task
  if (isLost || status !== 'running' || progress === 0 || progress >= total || startedAt === null) return null
  const elapsed = (now - startedAt.getTime()) / 1_000
  if (elapsed < 1) return null
  const seconds = Math.ceil((elapsed * (total - progress)) / progress)
  return <span className="num">{text.list.left(formatSeconds(seconds, lang))}</span>
}
