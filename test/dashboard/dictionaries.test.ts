import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { en } from '../../src/dashboard/i18n/en.ts'
import { zh } from '../../src/dashboard/i18n/zh.ts'

/** Every word of a dictionary by its path; a phrase that takes values is a function of as many. */
function describeWords(value: unknown, path = ''): [path: string, kind: string][] {
  if (typeof value === 'function') return [[path, `phrase of ${value.length}`]]
  if (typeof value === 'string') return [[path, 'word']]
  return Object.entries(value as object).flatMap(([key, child]) => describeWords(child, `${path}.${key}`))
}

/** Values that cannot be mistaken for words. */
const VALUES = [7_001, 7_002, 7_003, 7_004]

/** Which of its values each phrase shows, by its path. */
function describeValues(value: unknown, path = ''): [path: string, shown: number[]][] {
  if (typeof value === 'function') {
    const phrase = String((value as (...args: unknown[]) => string)(...VALUES)).replaceAll(',', '')
    return [[path, VALUES.filter((one) => phrase.includes(String(one)))]]
  }
  if (typeof value === 'string') return []
  return Object.entries(value as object).flatMap(([key, child]) => describeValues(child, `${path}.${key}`))
}

/** What a person reads in the language, whatever the values. */
function listTexts(value: unknown): string[] {
  if (typeof value === 'function') return [String((value as (...args: unknown[]) => string)(3, 2, 1))]
  if (typeof value === 'string') return [value]
  return Object.values(value as object).flatMap(listTexts)
}

test('both languages have the same words', () => {
  // Codes stand for the server's own English sentences.
  const { codes: _english, sentences: _none, ...english } = en
  const { codes, sentences: _chinese, ...chinese } = zh
  expect(describeWords(chinese)).toEqual(describeWords(english))
  expect(Object.keys(codes)).toContain('TASK_NOT_FOUND')
})

test('a phrase shows the same values in both languages', () => {
  const { sentences: _none, ...english } = en
  const { sentences: _chinese, ...chinese } = zh
  expect(describeValues(chinese)).toEqual(describeValues(english))
})

test('what the server refuses a person has words in Chinese, and in English where it comes without any', () => {
  const known = readFileSync(path.resolve(import.meta.dirname, '../../docs/errors.md'), 'utf8')
  const health = Object.keys(en.overview.short)
  const codes = [...Object.keys(en.codes), ...Object.keys(zh.codes)]
  expect(codes.filter((code) => !known.includes(`\`${code}\``) && !health.includes(code))).toEqual([])
  // Results of bulk actions, and a request without a response.
  const ofTasks = ['TASK_NOT_FOUND', 'TASK_ALREADY_FINISHED', 'TASK_NOT_FINISHED', 'TASK_STILL_STOPPING']
  const wordless = [...ofTasks, 'TASK_BUSY', 'CANCEL_PENDING', 'DUPLICATE_TASK', 'NETWORK_ERROR']
  expect(Object.keys(en.codes)).toEqual(expect.arrayContaining(wordless))
  const ofSchedules = ['SCHEDULE_NOT_FOUND', 'DUPLICATE_SCHEDULE', 'SCHEDULE_BUSY', 'TOO_MANY_SCHEDULES']
  const ofServers = ['TOO_MANY_REQUESTS', 'SHUTTING_DOWN', 'NOT_READY', 'NO_CONNECTION']
  expect(Object.keys(zh.codes)).toEqual(expect.arrayContaining([...wordless, ...ofSchedules, ...ofServers]))
})

test('no word is empty, and the Chinese ones are Chinese', () => {
  expect([...listTexts(en), ...listTexts(zh)].filter((text) => text.trim() === '')).toEqual([])
  const latin = listTexts(zh).filter((text) => !/[\u4e00-\u9fff]/.test(text))
  // Names and signs that are the same everywhere, and the name of the other language in itself.
  expect(latin.filter((text) => !/^(English|Cron|JSON|null|[–…]|\d+ ?\/ ?\d+)$/.test(text))).toEqual([])
})

test('a log that is shown whole is not counted twice', () => {
  expect(en.log.lines(1, 1)).toBe('1 line')
  expect(en.log.lines(200, 1_000)).toBe('200 of 1,000 lines')
  expect(zh.log.lines(3, 3)).toBe('3 行')
})

test('times are told in both', async () => {
  const { formatDuration, formatRelative, formatSeconds } = await import('../../src/dashboard/i18n/time.ts')
  expect(formatDuration(340, 'en')).toBe('340 ms')
  expect(formatDuration(4_260, 'en')).toBe('4.2 s')
  expect(formatDuration(42_900, 'zh')).toBe('42 秒')
  expect(formatSeconds(185, 'en')).toBe('3 min 5 s')
  expect(formatSeconds(7_200, 'en')).toBe('2 h')
  expect(formatSeconds(90_061, 'zh')).toBe('1 天 1 小时')
  expect(formatRelative(0, 179_000, 'en')).toBe('2 min ago')
  expect(formatRelative(90_000_000, 0, 'en')).toBe('in 1 d')
  expect(formatRelative(400, 0, 'en')).toBe('now')
  expect(formatRelative(10_800_000, 0, 'zh')).toBe('3 小时后')
  expect(formatRelative(0, 59_000, 'zh')).toBe('59 秒前')
})
