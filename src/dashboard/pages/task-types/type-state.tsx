import type { TaskTypeView } from '../../../client/index.ts'
import { useText } from '../../i18n/text.ts'
import { formatSeconds } from '../../i18n/time.ts'
import { language } from '../../state/preferences.ts'
import { useStore } from '../../state/store.ts'
import { RateLimit } from './limits.tsx'

export function TypeState({ type }: { type: TaskTypeView | undefined }) {
  const text = useText()
  const { paused = false } = type ?? {}
  if (!type) return <span className="badge">{text.types.unregistered}</span>
  return (
    <span
      className={`badge ${paused ? 'badge-scheduled' : 'badge-completed'}`}
      title={paused ? text.types.pauseHint : ''}
    >
      <span className="dot" aria-hidden="true" />
      {paused ? text.types.paused : text.types.active}
    </span>
  )
}

export function Defaults({ type }: { type: TaskTypeView }) {
  const text = useText()
  const lang = useStore(language)
  const { maxRetries, timeoutSeconds, priority, rateLimit } = type
  return (
    <>
      {[
        text.types.retries(maxRetries),
        text.types.timeout(formatSeconds(timeoutSeconds, lang)),
        ...(priority === 0 ? [] : [`${text.detail.priority} ${priority}`]),
      ].join(' · ')}
      {rateLimit && <RateLimit limit={rateLimit} />}
    </>
  )
}
