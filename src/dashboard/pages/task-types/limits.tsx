import { useQuery } from '@tanstack/react-query'
import type { TaskTypeView } from '../../../client/index.ts'
import { Ago } from '../../components/time.tsx'
import { formatNumber } from '../../i18n/number.ts'
import { useText } from '../../i18n/text.ts'
import { formatDuration, formatSeconds } from '../../i18n/time.ts'
import { useNow } from '../../state/clock.ts'
import { language } from '../../state/preferences.ts'
import { executorsQuery } from '../../state/queries.ts'
import { useStore } from '../../state/store.ts'

/** How many run, of how many at most. */
export function RunningOf({ type, running }: { type: TaskTypeView | undefined; running: number }) {
  const text = useText()
  const executors = useQuery(executorsQuery).data ?? []
  if (!type) return formatNumber(running)
  const serving = executors.filter(({ alive, taskTypes }) => alive && taskTypes.includes(type.taskType))
  const most = limitOf(type, serving.length)
  if (most === undefined) return formatNumber(running)
  return (
    <span className={running >= most ? 'is-at-limit' : ''} title={text.types.limitHint}>
      {formatNumber(running)} / {formatNumber(most)}
    </span>
  )
}

function limitOf({ concurrency, globalConcurrency }: TaskTypeView, processes: number): number | undefined {
  const limits = [concurrency === null ? null : concurrency * Math.max(1, processes), globalConcurrency]
  const known = limits.filter((limit) => limit !== null)
  return known.length === 0 ? undefined : Math.min(...known)
}

export function RateLimit({ limit }: { limit: NonNullable<TaskTypeView['rateLimit']> }) {
  const text = useText()
  const lang = useStore(language)
  const now = useNow()
  const { max, perSeconds, keyed, nextPermitAt } = limit
  const window = perSeconds < 1 ? formatDuration(perSeconds * 1_000, lang) : formatSeconds(perSeconds, lang)
  return (
    <div>
      {text.types.rate(max, window, keyed)}
      {nextPermitAt && nextPermitAt.getTime() > now && (
        <>
          {' · '}
          {text.types.nextPermit} <Ago at={nextPermitAt} />
        </>
      )}
    </div>
  )
}
