import type { Language } from '../../i18n/languages.ts'

const LOCALES = { en: 'en-GB', zh: 'zh-CN' } as const

/** Of one hour, a time is enough; of a week, the day is what counts. */
export function formatTick(at: number, spanSeconds: number, language: Language): string {
  const isDay = new Date(at).getHours() === 0 && new Date(at).getMinutes() === 0
  return isDay || spanSeconds >= 3_600 ? formatDay(at, isDay, language) : formatTime(at, language)
}

export function formatSpan(at: Date, spanSeconds: number, language: Language): string {
  const from = formatTime(at.getTime(), language)
  if (spanSeconds <= 60) return from
  const to = formatTime(at.getTime() + spanSeconds * 1_000, language)
  return `${formatDay(at.getTime(), true, language)}, ${from} – ${to}`
}

function formatTime(at: number, language: Language): string {
  return new Intl.DateTimeFormat(LOCALES[language], { hour: '2-digit', minute: '2-digit' }).format(at)
}

function formatDay(at: number, isWhole: boolean, language: Language): string {
  const day = { weekday: 'short', day: 'numeric' } as const
  const time = isWhole ? {} : ({ hour: '2-digit', minute: '2-digit' } as const)
  return new Intl.DateTimeFormat(LOCALES[language], { ...day, ...time }).format(at)
}

/** The list of the tasks that were created in a span. */
export function tasksOf(at: Date, spanSeconds: number, taskType: string | null) {
  const before = new Date(at.getTime() + spanSeconds * 1_000)
  return { view: 'tasks', type: taskType, after: at.toISOString(), before: before.toISOString() }
}
