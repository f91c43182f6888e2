import cronstrue from 'cronstrue'
import 'cronstrue/locales/zh_CN.js'
import type { Language } from '../../i18n/languages.ts'

interface Field {
  readonly first: number
  readonly last: number
  /** Other than lists, ranges and steps of numbers and names. */
  readonly others?: RegExp
  /** Months and weeks do not end where a step does. */
  readonly isUneven?: true
}

/** Seconds first. */
const FIELDS: readonly Field[] = [
  { first: 0, last: 59 },
  { first: 0, last: 59 },
  { first: 0, last: 23 },
  // The last day, the last working day, the working day nearest to one.
  { first: 1, last: 31, others: /^(L|LW|\d+W)$/i, isUneven: true },
  { first: 1, last: 12 },
  // The second Friday, the last Friday of a month.
  { first: 0, last: 6, others: /^[\da-z]+(#[1-5]|L)$/i, isUneven: true },
]
const COMMON = /^([\d*,/-]|[a-z]{3})+$/i

/** An expression in words; undefined where they would differ from what the engine reads. */
export function describeCron(cron: string): Record<Language, string> | undefined {
  const given = cron.trim().replaceAll('?', '*').split(/\s+/)
  if (given.length === 1) return describe(given.join('').toLowerCase())
  const parts = given.length === 5 ? ['0', ...given] : given
  const isKnown = FIELDS.every(({ others }, index) => {
    const part = parts[index] ?? ''
    return COMMON.test(part) || others?.test(part)
  })
  if (!isKnown) return undefined
  const [second = '', minute = '', hours = '', ...days] = FIELDS.map((field, index) =>
    spellSteps(parts[index] ?? '', field),
  )
  return describe([second, minute, /[*/-]/.test(minute) ? wholeHours(hours) : hours, ...days].join(' '))
}

/** Minutes that go on through an hour do so through each of a list, not only at its beginning. */
function wholeHours(hours: string): string {
  return hours.includes(',') ? hours.replace(/(?<=^|,)(\d+)(?=,|$)/g, '$1-$1') : hours
}

function describe(cron: string): Record<Language, string> | undefined {
  const words = (locale: string) => cronstrue.toString(cron, { locale, use24HourTimeFormat: true })
  try {
    return { en: words('en'), zh: polish(words('zh_CN')) }
  } catch {
    // Not all that the engine reads has words.
    return undefined
  }
}

/** "每隔 2 天" may be read as every third day; commas and spaces are those of English. */
function polish(chinese: string): string {
  return chinese
    .replaceAll('每隔 ', '每 ')
    .replace(/, */g, '，')
    .replaceAll('，和 ', ' 和')
    .replace(/ {2,}/g, ' ')
    .replace(/(?<=在)(?=\d)/g, ' ')
}

/** A step that does not go on evenly after the last value is described by its values: minutes 0 and 45 are not every 45. */
function spellSteps(part: string, { first, last, isUneven }: Field): string {
  return part.replace(/(?<=^|,)\*\/(\d+)(?=,|$)/g, (step, text) => {
    const by = Number(text)
    const count = last - first + 1
    if (by < 2 || (!isUneven && count % by === 0)) return step
    return Array.from({ length: Math.ceil(count / by) }, (_, index) => first + index * by).join(',')
  })
}
