import { useText } from '../../i18n/text.ts'
import { formatInstantIn } from '../../i18n/time.ts'
import { language } from '../../state/preferences.ts'
import { useStore } from '../../state/store.ts'

/** Coming ticks, in the time zone of their schedule. */
export function NextTicks({ ticks, timeZone }: { ticks: readonly Date[]; timeZone: string }) {
  const text = useText()
  const lang = useStore(language)
  return (
    <div className="next-ticks small">
      <span className="muted">{text.schedules.nextTicks}</span>
      <ol>
        {ticks.map((at) => (
          <li key={at.getTime()} className="num">
            <time dateTime={at.toISOString()}>{formatInstantIn(at, timeZone, lang)}</time>
          </li>
        ))}
      </ol>
    </div>
  )
}
