import { useEffect, useMemo, useRef } from 'react'
import type { ExecutorRun } from '../../../client/index.ts'
import { titleOf } from '../../components/foreign.tsx'
import { useText } from '../../i18n/text.ts'
import { formatDuration } from '../../i18n/time.ts'
import { serverNow } from '../../state/clock.ts'
import { language } from '../../state/preferences.ts'
import { go } from '../../state/route.ts'
import { useStore } from '../../state/store.ts'
import { type LaneRun, toLanes } from './lanes.ts'

const MINUTES = 15
const SECONDS = MINUTES * 60
/** From the top of a lane to that of the next. */
const PITCH = 22
/** Of a pitch; the rest is a gap. */
const LANE = 18 / PITCH
/** Lanes of hundreds of slots are lower. */
const MAX_HEIGHT = 700
/** Of two pixels each. */
const MAX_LANES = MAX_HEIGHT / 2
/** A run is seen however short it was. */
const MIN_SECONDS = 1.5

/** A lane for each slot, with what ran in it; a click leads to the task. The table beside it has the same for the keyboard. */
export function LanesChart({ runs, slots }: { runs: readonly ExecutorRun[]; slots: number }) {
  const text = useText()
  const chart = useRef<SVGSVGElement>(null)
  const lanes = Math.min(slots, MAX_LANES)
  // Drawn as it was read: a running task grows with the next response.
  const { placed, since } = useMemo(() => {
    const now = serverNow()
    return { placed: toLanes(runs, lanes, now), since: now - SECONDS * 1_000 }
  }, [runs, lanes])
  useEffect(() => {
    const svg = chart.current
    const follow = (event: Event) => {
      const task = (event.target as SVGElement).dataset.task
      if (task) go({ task })
    }
    svg?.addEventListener('click', follow)
    return () => svg?.removeEventListener('click', follow)
  }, [])
  const pitch = Math.min(PITCH, MAX_HEIGHT / lanes)
  const height = lanes * pitch
  return (
    <div className="lanes">
      <svg
        ref={chart}
        viewBox={`0 0 ${SECONDS} ${height}`}
        height={height}
        preserveAspectRatio="none"
        role="img"
        aria-label={text.executors.lanes(runs.length)}
      >
        {Array.from({ length: lanes }, (_, lane) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lanes have no other name
          <rect key={lane} className="lane" y={lane * pitch} width={SECONDS} height={pitch * LANE} />
        ))}
        {placed.map((one) => (
          <RunBar key={`${one.run.taskId} ${one.run.attempt}`} placed={one} since={since} pitch={pitch} />
        ))}
      </svg>
      <div className="lanes-axis muted small num" aria-hidden="true">
        {[15, 10, 5, 0].map((minutes) => (
          <span key={minutes}>{text.executors.minutesAgo(minutes)}</span>
        ))}
      </div>
    </div>
  )
}

function RunBar(props: { placed: LaneRun; since: number; pitch: number }) {
  const { placed, since, pitch } = props
  const { run, lane, from, to } = placed
  const text = useText()
  const lang = useStore(language)
  const outcome = run.outcome ?? 'running'
  const start = Math.max(0, (from - since) / 1_000)
  return (
    <rect
      className={`run run-${outcome}`}
      data-task={run.taskId}
      x={start}
      y={lane * pitch}
      width={Math.max(MIN_SECONDS, (to - since) / 1_000 - start)}
      height={pitch * LANE}
    >
      <title>
        {[titleOf(run.taskType), text.outcome[outcome], formatDuration(to - from, lang)].join(' · ')}
      </title>
    </rect>
  )
}
