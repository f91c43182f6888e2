import { describe, expect, test } from 'vitest'
import { type TaskSettingsInput, taskSettings } from '../../../src/engine/definition/settings.ts'

test('the defaults are those of the contract', () => {
  expect(taskSettings.parse({})).toEqual({
    auditRetentionDays: 365,
    concurrency: 2,
    pollIntervalMs: 1_000,
    timeoutSeconds: 14_400,
    maxRetries: 3,
    retryBaseMs: 1_000,
    heartbeatIntervalMs: 5_000,
    leaseMs: 30_000,
    cancelGraceMs: 10_000,
    maxParamsBytes: 1_048_576,
    maxResultBytes: 1_048_576,
    redact: [],
    retentionDays: 30,
    maxLogLines: 100_000,
    shutdownTimeoutMs: 25_000,
    unknownTypeGraceSeconds: 86_400,
  })
})

describe('a lease', () => {
  test('takes at least three heartbeats', () => {
    expect(taskSettings.parse({ heartbeatIntervalMs: 1_000, leaseMs: 3_000 }).leaseMs).toBe(3_000)
    expect(problems({ heartbeatIntervalMs: 1_000, leaseMs: 2_999 })).toEqual([
      'leaseMs: must be at least 3 × heartbeatIntervalMs',
    ])
    expect(problems({ leaseMs: 14_999 })).toHaveLength(1)
  })
})

test('an idle poll interval is at least the poll interval, which is its default', () => {
  expect(taskSettings.parse({}).idlePollIntervalMs).toBeUndefined()
  expect(problems({ idlePollIntervalMs: 999 })).toEqual([
    'idlePollIntervalMs: must be at least pollIntervalMs',
  ])
  expect(problems({ pollIntervalMs: 12, idlePollIntervalMs: 11 })).toHaveLength(1)
})

test.each<[keyof TaskSettingsInput, number[], unknown[]]>([
  ['concurrency', [1, 10_000], [0, 10_001, 1.5, '2', null]],
  ['pollIntervalMs', [10, 60_000], [9, 60_001]],
  ['idlePollIntervalMs', [1_000, 600_000], [1_000.5, 600_001]],
  ['timeoutSeconds', [1, 2_147_483], [0, 2_147_484]],
  ['maxRetries', [0, 100], [-1, 101]],
  ['retryBaseMs', [0, 3_600_000], [-1, 3_600_001]],
  ['cancelGraceMs', [0, 2_147_483_647], [-1, 2_147_483_648]],
  ['maxParamsBytes', [2, 16_777_216], [1, 16_777_217, 1.5]],
  ['maxResultBytes', [2, 16_777_216], [1, 16_777_217, 1.5]],
  ['retentionDays', [0, 0.5, 36_500], [-1, 36_501, Number.NaN]],
  ['maxLogLines', [100, 100_000_000], [99, 100_000_001, 1_000.5]],
  ['shutdownTimeoutMs', [0, 2_147_483_647], [-1, 2_147_483_648, Number.POSITIVE_INFINITY]],
])('%s has bounds', (name, good, bad) => {
  for (const value of good) expect(taskSettings.parse({ [name]: value })).toMatchObject({ [name]: value })
  for (const value of bad) {
    expect(problems({ [name]: value } as TaskSettingsInput), String(value)).toEqual([
      expect.stringMatching(new RegExp(`^${name}: `)),
    ])
  }
})

test('redacted params are paths', () => {
  const redact = ['password', 'card.number', 'users.*.token']
  expect(taskSettings.parse({ redact })).toMatchObject({ redact })
  for (const path of ['', '.', 'a.', '.a', 'a..b']) {
    expect(problems({ redact: [path] })).toEqual(['redact.0: must be a path such as card.number'])
  }
})

test('all problems are reported at once', () => {
  expect(problems({ concurrency: 0, maxRetries: -1 })).toHaveLength(2)
})

function problems(input: TaskSettingsInput): string[] {
  const { error } = taskSettings.safeParse(input)
  return (error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`)
}
