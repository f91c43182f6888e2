import type { TaskDetail } from '../../../client/index.ts'
import { titleOf } from '../../components/foreign.tsx'
import { Instant } from '../../components/time.tsx'
import type { Dictionary } from '../../i18n/en.ts'
import { useText } from '../../i18n/text.ts'
import { formatDuration } from '../../i18n/time.ts'
import { useNow } from '../../state/clock.ts'
import { language } from '../../state/preferences.ts'
import { useStore } from '../../state/store.ts'
import { type Bar, toBars } from './bars.ts'

const WIDTH = 1_000
const HEIGHT = 16
/** A bar is seen however short it was. */
const MIN_WIDTH = 2

/** Where the time of a task went: waits, attempts, steps and sleeps, to scale. The timeline has the same in words. */
export function Bars({ task }: { task: TaskDetail }) {
  const text = useText()
  const lang = useStore(language)
  const now = useNow()
  const { from, to, attempts, steps } = toBars(task, now)
  if (attempts.length === 0) return null
  const total = (kinds: (kind: string) => boolean) =>
    formatDuration(
      attempts.filter(({ kind }) => kinds(kind)).reduce((sum, bar) => sum + bar.to - bar.from, 0),
      lang,
    )
  const waited = total((kind) => kind === 'waited')
  const ran = total((kind) => kind !== 'waited')
  return (
    <section className="card bars" aria-label={text.detail.bars}>
      <p className="bars-sums small num">
        <span className="muted">{text.detail.waited(waited)}</span>
        <span>{text.detail.ranFor(ran)}</span>
      </p>
      <BarRow bars={attempts} {...{ from, to }} label={text.detail.attempts} />
      {steps.length > 0 && (
        <BarRow bars={steps} {...{ from, to }} label={text.detail.steps(task.stepCount)} />
      )}
      <p className="bars-axis muted small num" aria-hidden="true">
        <Instant at={new Date(from)} />
        <Instant at={new Date(to)} />
      </p>
    </section>
  )
}

function BarRow({
  bars,
  from,
  to,
  label,
}: {
  bars: readonly Bar[]
  from: number
  to: number
  label: string
}) {
  const text = useText()
  const lang = useStore(language)
  const place = (at: number) => (WIDTH * (at - from)) / (to - from)
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {bars.map((bar) => {
        const start = Math.min(Math.max(0, place(bar.from)), WIDTH - MIN_WIDTH)
        return (
          <rect
            key={bar.key}
            className={`task-bar task-bar-${bar.kind}`}
            x={start}
            width={Math.max(MIN_WIDTH, place(bar.to) - start)}
            height={HEIGHT}
          >
            <title>{`${nameOf(bar, text)} · ${formatDuration(bar.to - bar.from, lang)}`}</title>
          </rect>
        )
      })}
    </svg>
  )
}

function nameOf({ kind, name }: Bar, text: Dictionary): string {
  if (name === null) return text.detail.waiting
  if (typeof name === 'number') {
    const outcome = kind as keyof Dictionary['outcome']
    return `${text.detail.attempt(name)}, ${text.outcome[outcome]}`
  }
  return kind === 'sleep' ? `${text.outcome.sleeping}: ${titleOf(name)}` : titleOf(name)
}
