import type { TaskSummary } from '../../client/index.ts'
import { useText } from '../i18n/text.ts'
import { formatSeconds } from '../i18n/time.ts'
import { useNow } from '../state/clock.ts'
import { language } from '../state/preferences.ts'
import { useStore } from '../state/store.ts'

export function ProgressBar({ task, label }: { task: TaskSummary; label: string }) {
  const { percent, status, total } = task
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
      <div className="bar-fill" style={{ transform: `scaleX(${isOpen ? 1 : percent / 100})` }} />
    </div>
  )
}

/** From what the attempt has done so far; nothing until it has done something. */
export function TimeLeft({ task }: { task: TaskSummary }) {
  const text = useText()
  const lang = useStore(language)
  const now = useNow()
  const { status, progress, total, startedAt } = task
  if (status !== 'running' || progress === 0 || progress >= total || startedAt === null) return null
  const elapsed = (now - startedAt.getTime()) / 1_000
  if (elapsed < 1) return null
  const seconds = Math.ceil((elapsed * (total - progress)) / progress)
  return <span className="num">{text.list.left(formatSeconds(seconds, lang))}</span>
}
