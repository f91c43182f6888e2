import type { OverviewRange, TaskFigures } from '../../../client/index.ts'
import type { Dictionary } from '../../i18n/en.ts'
import { formatNumber } from '../../i18n/number.ts'

const MINUTES: Record<OverviewRange, number> = { '1h': 60, '24h': 24 * 60, '7d': 7 * 24 * 60 }

export function countEnded({ completed, failed, cancelled }: TaskFigures): number {
  return completed + failed + cancelled
}

/** Ended tasks a minute, or an hour where they are few. */
export function describeRate(figures: TaskFigures, range: OverviewRange, text: Dictionary): string {
  const perMinute = countEnded(figures) / MINUTES[range]
  if (perMinute === 0) return text.detail.none
  const [rate, words] =
    perMinute >= 1 ? [perMinute, text.types.perMinute] : [perMinute * 60, text.types.perHour]
  return words(formatNumber(rate, rate < 10 ? 1 : 0))
}

/** Of the tasks that ended by themselves, those that failed; undefined: none ended. */
export function failedShare({ completed, failed }: TaskFigures): number | undefined {
  return completed + failed === 0 ? undefined : failed / (completed + failed)
}

/** Never 0 % where one has failed. */
export function formatShare(share: number): string {
  const percent = 100 * share
  if (percent > 0 && percent < 0.1) return '<0.1%'
  return `${formatNumber(percent, percent < 10 ? 1 : 0)}%`
}
