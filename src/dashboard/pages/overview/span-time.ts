import type { Language, Zone } from '../../i18n/languages.ts'
import { formatDay, formatTime, shortZone } from '../../i18n/time.ts'

/** Of one hour, a time is enough; of a week, the day is what counts. */
export function formatTick(at: number, spanSeconds: number, language: Language, zone: Zone): string {
  const isDay = formatTime(at, language, zone) === '00:00'
  return isDay || spanSeconds >= 3_600 ? formatDay(at, isDay, language, zone) : formatTime(at, language, zone)
}

export function formatSpan(at: Date, spanSeconds: number, language: Language, zone: Zone): string {
  const name = shortZone(at, language, zone)
  const from = formatTime(at, language, zone)
  if (spanSeconds <= 60) return `${from} ${name}`
  const to = formatTime(at.getTime() + spanSeconds * 1_000, language, zone)
  return `${formatDay(at, true, language, zone)}, ${from} – ${to} ${name}`
}

/** The list of the tasks that were created in a span. */
export function tasksOf(at: Date, spanSeconds: number, taskType: string | null) {
  const before = new Date(at.getTime() + spanSeconds * 1_000)
  return { view: 'tasks', type: taskType, after: at.toISOString(), before: before.toISOString() }
}
