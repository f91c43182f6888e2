import type { Language, Zone } from './languages.ts'

const UNITS = {
  en: { d: ' d', h: ' h', min: ' min', s: ' s', ms: ' ms', gap: ' ' },
  zh: { d: ' 天', h: ' 小时', min: ' 分', s: ' 秒', ms: ' 毫秒', gap: ' ' },
} as const

/** Two units at most: 340 ms, 4.2 s, 42 s, 3 min 5 s, 2 h 10 min, 5 d 3 h. */
export function formatDuration(ms: number, language: Language): string {
  const unit = UNITS[language]
  const whole = Math.max(0, ms)
  if (whole < 1_000) return `${Math.round(whole)}${unit.ms}`
  if (whole < 10_000) return `${(Math.floor(whole / 100) / 10).toFixed(1)}${unit.s}`
  return formatSeconds(Math.floor(whole / 1_000), language)
}

/** In one unit, for axes: 40 ms, 100 s, 15 min, 12 h. */
export function formatRounded(ms: number, language: Language): string {
  const unit = UNITS[language]
  if (ms < 1_000) return `${Math.round(ms)}${unit.ms}`
  if (ms < 600_000) return `${Math.round(ms / 1_000)}${unit.s}`
  return ms < 36_000_000 ? `${Math.round(ms / 60_000)}${unit.min}` : `${Math.round(ms / 3_600_000)}${unit.h}`
}

/** The same without fractions, for what ticks. */
export function formatSeconds(seconds: number, language: Language): string {
  const unit = UNITS[language]
  const s = Math.max(0, Math.floor(seconds))
  if (s < 60) return `${s}${unit.s}`
  if (s < 3_600) return join([Math.floor(s / 60), unit.min], [s % 60, unit.s], unit.gap)
  if (s < 86_400)
    return join([Math.floor(s / 3_600), unit.h], [Math.floor((s % 3_600) / 60), unit.min], unit.gap)
  return join([Math.floor(s / 86_400), unit.d], [Math.floor((s % 86_400) / 3_600), unit.h], unit.gap)
}

type Part = [amount: number, unit: string]

function join([large, largeUnit]: Part, [small, smallUnit]: Part, gap: string): string {
  const first = `${large}${largeUnit}`
  return small === 0 ? first : `${first}${gap}${small}${smallUnit}`
}

const SIZES = { d: 86_400, h: 3_600, min: 60, s: 1 } as const

const RELATIVE = {
  en: { now: 'now', ago: (time: string) => `${time} ago`, later: (time: string) => `in ${time}` },
  zh: { now: '现在', ago: (time: string) => `${time}前`, later: (time: string) => `${time}后` },
} as const

/** In one unit: `5 min ago`, `in 2 h`. */
export function formatRelative(at: number, now: number, language: Language): string {
  const seconds = Math.round(Math.abs(at - now) / 1_000)
  const words = RELATIVE[language]
  if (seconds === 0) return words.now
  const unit = (['d', 'h', 'min', 's'] as const).find((one) => seconds >= SIZES[one]) ?? 's'
  const time = `${Math.floor(seconds / SIZES[unit])}${UNITS[language][unit]}`
  return at < now ? words.ago(time) : words.later(time)
}

const LOCALES = { en: 'en-GB', zh: 'zh-CN' } as const
const TIME = { hour: '2-digit', minute: '2-digit' } as const
const SHAPES = {
  instant: {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    ...TIME,
    second: '2-digit',
    timeZoneName: 'short',
  },
  hour: { weekday: 'short', ...TIME },
  day: { weekday: 'short', day: 'numeric' },
  dayTime: { weekday: 'short', day: 'numeric', ...TIME },
  time: TIME,
  clock: { ...TIME, second: '2-digit' },
  zone: { timeZoneName: 'short' },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>

/** Costly to make. */
const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(shape: keyof typeof SHAPES, language: Language, zone: Zone): Intl.DateTimeFormat {
  const key = `${shape} ${language} ${zone}`
  const known = formats.get(key)
  if (known) return known
  const timeZone = zone === 'utc' ? { timeZone: 'UTC' } : {}
  const made = new Intl.DateTimeFormat(LOCALES[language], { ...SHAPES[shape], ...timeZone })
  formats.set(key, made)
  return made
}

/** Of the browser, such as Europe/Berlin. */
export const BROWSER_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone

export const zoneName = (zone: Zone) => (zone === 'utc' ? 'UTC' : BROWSER_ZONE)

/** As it is called at an instant: CET, GMT+8, UTC. */
export function shortZone(at: Date, language: Language, zone: Zone): string {
  const parts = formatOf('zone', language, zone).formatToParts(at)
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? zoneName(zone)
}

/** 28 Nov 2026, 18:00:58 CET */
export function formatInstant(at: Date, language: Language, zone: Zone): string {
  return formatOf('instant', language, zone).format(at)
}

/** Within a week: Sun 15:00. */
export function formatHour(at: Date, language: Language, zone: Zone): string {
  return formatOf('hour', language, zone).format(at)
}

/** Within a month, with or without a time. */
export function formatDay(at: Date | number, isWhole: boolean, language: Language, zone: Zone): string {
  return formatOf(isWhole ? 'day' : 'dayTime', language, zone).format(at)
}

export function formatTime(at: Date | number, language: Language, zone: Zone): string {
  return formatOf('time', language, zone).format(at)
}

/** In a named time zone, with its weekday; where the browser does not know the zone, in its own. */
export function formatInstantIn(at: Date, timeZone: string, language: Language): string {
  const options: Intl.DateTimeFormatOptions = {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  }
  const locale = LOCALES[language]
  try {
    return new Intl.DateTimeFormat(locale, { ...options, timeZone }).format(at)
  } catch {
    return new Intl.DateTimeFormat(locale, options).format(at)
  }
}

/** Hours, minutes, seconds, milliseconds: for logs. */
export function formatClock(at: Date, zone: Zone): string {
  return `${formatOf('clock', 'en', zone).format(at)}.${String(at.getMilliseconds()).padStart(3, '0')}`
}
