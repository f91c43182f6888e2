import { formatDuration, formatInstant, formatRelative, formatSeconds } from '../i18n/time.ts'
import { useNow } from '../state/clock.ts'
import { language } from '../state/preferences.ts'
import { useStore } from '../state/store.ts'

/** How long ago, or in how long; the instant itself as a title. */
export function Ago({ at }: { at: string }) {
  const now = useNow()
  const lang = useStore(language)
  const then = Date.parse(at)
  return (
    <time dateTime={at} title={formatInstant(then, lang)}>
      {formatRelative(then, now, lang)}
    </time>
  )
}

export function Instant({ at }: { at: string }) {
  const lang = useStore(language)
  return <time dateTime={at}>{formatInstant(Date.parse(at), lang)}</time>
}

/** From one instant to another, or to now: then it ticks. */
export function Elapsed({ from, to }: { from: string; to: string | null }) {
  return to === null ? <Ticking from={from} /> : <Span ms={Date.parse(to) - Date.parse(from)} />
}

function Ticking({ from }: { from: string }) {
  const now = useNow()
  const lang = useStore(language)
  return <span className="num">{formatSeconds((now - Date.parse(from)) / 1_000, lang)}</span>
}

export function Span({ ms }: { ms: number }) {
  const lang = useStore(language)
  return <span className="num">{formatDuration(ms, lang)}</span>
}
