import { formatDuration, formatInstant, formatRelative, formatSeconds } from '../i18n/time.ts'
import { useNow } from '../state/clock.ts'
import { language, zone } from '../state/preferences.ts'
import { useStore } from '../state/store.ts'

/** How long ago, or in how long; the instant itself as a title. */
export function Ago({ at }: { at: Date }) {
  const now = useNow()
  const lang = useStore(language)
  const shownZone = useStore(zone)
  return (
    <time dateTime={at.toISOString()} title={formatInstant(at, lang, shownZone)}>
      {formatRelative(at.getTime(), now, lang)}
    </time>
  )
}

export function Instant({ at }: { at: Date }) {
  const lang = useStore(language)
  const shownZone = useStore(zone)
  return <time dateTime={at.toISOString()}>{formatInstant(at, lang, shownZone)}</time>
}

/** From one instant to another, or to now: then it ticks. */
export function Elapsed({ from, to }: { from: Date; to: Date | null }) {
  const lang = useStore(language)
  if (to === null) return <Ticking from={from} />
  return <span className="num">{formatDuration(to.getTime() - from.getTime(), lang)}</span>
}

function Ticking({ from }: { from: Date }) {
  const now = useNow()
  const lang = useStore(language)
  return <span className="num">{formatSeconds((now - from.getTime()) / 1_000, lang)}</span>
}
