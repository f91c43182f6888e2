import { Cron } from 'croner'
import { expect, test } from 'vitest'
import { findNextTicks } from '../../src/dashboard/pages/schedules/cron-times.ts'
import { describeCron } from '../../src/dashboard/pages/schedules/cron-words.ts'

test.each([
  ['30 17 * * 1-5', 'At 17:30, Monday through Friday', '在 17:30，星期一至星期五'],
  ['0 30 17 * * MON-FRI', 'At 17:30, Monday through Friday', '在 17:30，星期一至星期五'],
  ['*/5 * * * *', 'Every 5 minutes', '每 5 分钟'],
  ['* * * * *', 'Every minute', '每分钟'],
  ['*/10 * * * * *', 'Every 10 seconds', '每 10 秒'],
  ['0 * * * *', 'Every hour', '每小时'],
  ['@daily', 'At 00:00', '在 00:00'],
  [' 0\t0 ? * ? ', 'At 00:00', '在 00:00'],
  ['@WEEKLY', 'At 00:00, only on Sunday', '在 00:00，仅星期日'],
  ['0 0 1 * *', 'At 00:00, on day 1 of the month', '在 00:00，限每月 1 号'],
  ['30 8 1,15 * *', 'At 08:30, on day 1 and 15 of the month', '在 08:30，限每月 1 号 和 15 号'],
  ['0 0 L * *', 'At 00:00, on the last day of the month', '在 00:00，限每月的最后一天'],
  [
    '0 0 15W * *',
    'At 00:00, on the weekday nearest day 15 of the month',
    '在 00:00，限每月的最接近 15 号的工作日',
  ],
  ['0 9 * * FRI#2', 'At 09:00, on the second Friday of the month', '在 09:00，限每月的第二个 星期五'],
  ['0 9 * * 5L', 'At 09:00, on the last Friday of the month', '在 09:00，限每月的最后一个星期五'],
  ['0 6,14,22 * * *', 'At 06:00, 14:00 and 22:00', '在 06:00，14:00 和 22:00'],
  [
    '*/5 9-17 * * 1-5',
    'Every 5 minutes, between 09:00 and 17:59, Monday through Friday',
    '每 5 分钟，在 09:00 和 17:59 之间，星期一至星期五',
  ],
  [
    '*/15 9,17 * * *',
    'Every 15 minutes, at 09:00 through 09:59 and 17:00 through 17:59',
    '每 15 分钟，在 09:00至09:59 和 17:00至17:59',
  ],
  ['0 0 13 * 5', 'At 00:00, on day 13 of the month, and on Friday', '在 00:00，限每月 13 号，或者为星期五'],
  ['0 0 1 JUL *', 'At 00:00, on day 1 of the month, only in July', '在 00:00，限每月 1 号，仅于七月份'],
])('%j is told in both languages', (cron, en, zh) => {
  expect(describeCron(cron)).toEqual({ en, zh })
})

test.each(['0 0 13 * +5', '0 0 15,L * *', '0 0 * * 1#1,3#2'])(
  '%j, which has no words, is told by its times',
  (cron) => {
    expect(findNextTicks(cron, 'UTC')).toHaveLength(5)
    expect(describeCron(cron)).toBeUndefined()
  },
)

const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const numbers = (words: string) => [...words.matchAll(/\d+/g)].map(Number)

interface Steps {
  of: string
  pattern: string
  last: number
  unitMs: number
  read: (at: Date) => number
  told: (words: string) => number[]
}
const STEPS: Steps[] = [
  {
    ...{ of: 'seconds', pattern: '*/N * * * * *', last: 59, unitMs: 1_000 },
    ...{ read: (at) => at.getUTCSeconds(), told: numbers },
  },
  {
    ...{ of: 'minutes', pattern: '*/N * * * *', last: 59, unitMs: 60_000 },
    ...{ read: (at) => at.getUTCMinutes(), told: numbers },
  },
  {
    ...{ of: 'hours', pattern: '0 */N * * *', last: 23, unitMs: 3_600_000 },
    read: (at) => at.getUTCHours(),
    told: (words) => [...words.matchAll(/(\d\d):00/g)].map(([, hour]) => Number(hour)),
  },
  {
    ...{ of: 'days of the month', pattern: '0 0 */N * *', last: 30, unitMs: 86_400_000 },
    read: (at) => at.getUTCDate(),
    told: (words) => numbers(words.replace('00:00', '')),
  },
  {
    ...{ of: 'days of the week', pattern: '0 0 * * */N', last: 6, unitMs: 86_400_000 },
    read: (at) => at.getUTCDay(),
    told: (words) => WEEKDAYS.flatMap((day, index) => (words.includes(day) ? index : [])),
  },
]

test.each(STEPS)('every step of $of is told as it ticks', ({ pattern, last, unitMs, read, told }) => {
  for (let by = 2; by <= last; by += 1) {
    const cron = pattern.replace('N', String(by))
    const ticks = new Cron(cron, { timezone: 'UTC', mode: '5-or-6-parts' }).nextRuns(400)
    const words = describeCron(cron)?.en ?? ''
    const [, step] = /every (\d+) /i.exec(words) ?? []
    if (step === undefined) {
      const values = new Set(ticks.map(read))
      expect([cron, ...new Set(told(words))].sort(), words).toEqual([cron, ...values].sort())
    } else {
      const gaps = new Set(ticks.slice(1).map((at, index) => (+at - Number(ticks[index])) / unitMs))
      expect([cron, ...gaps], words).toEqual([cron, Number(step)])
    }
  }
})
