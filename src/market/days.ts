/** A calendar day, `YYYY-MM-DD`. Days compare as text and never pass through the process's time zone. */
export type Day = string

/** The first day on which the Shanghai exchange traded. */
export const FIRST_TRADING_DAY: Day = '1990-12-19'

const DAY_MS = 86_400_000

// Swedish dates are ISO dates.
const shanghaiDay = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Asia/Shanghai', dateStyle: 'short' })

/** The day it is in China, wherever the server stands. */
export function todayInShanghai(now: Date = new Date()): Day {
  return shanghaiDay.format(now)
}

export function addDays(day: Day, count: number): Day {
  return new Date(utcMidnight(day) + count * DAY_MS).toISOString().slice(0, 10)
}

/** Days from `from` to `to`, both ends counted. */
export function countDays(from: Day, to: Day): number {
  return (utcMidnight(to) - utcMidnight(from)) / DAY_MS + 1
}

/** Every day from `from` to `to`, both ends included. */
export function listDays(from: Day, to: Day): Day[] {
  return Array.from({ length: Math.max(0, countDays(from, to)) }, (_, index) => addDays(from, index))
}

/** The exchanges never open at weekends, not even on weekend days that make up for a holiday elsewhere. */
export function isWeekend(day: Day): boolean {
  const weekday = new Date(utcMidnight(day)).getUTCDay()
  return weekday === 0 || weekday === 6
}

/** `20190102`, as Tushare writes days. */
export function toCompactDay(day: Day): string {
  return day.replaceAll('-', '')
}

/** The day that `20190102` or `2019-01-02` stands for; null for anything else, 30 February included. */
export function parseDay(text: string): Day | null {
  const parts = /^(\d{4})-?(\d{2})-?(\d{2})$/.exec(text)
  if (!parts) return null
  const day = `${parts[1]}-${parts[2]}-${parts[3]}`
  const midnight = utcMidnight(day)
  return Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day ? null : day
}

function utcMidnight(day: Day): number {
  return Date.parse(`${day}T00:00:00Z`)
}
