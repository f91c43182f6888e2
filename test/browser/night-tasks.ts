import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../src/engine/definition/task-reference.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const NIGHT_MS = 12 * HOUR_MS

/** How many backfills failed with one error; the other failing types fail at random. */
export const FAILED_BACKFILLS = 241

/** A task that has ended, by how long before the end of the night it was created. */
export interface NightTask {
  readonly taskType: string
  readonly ageMs: number
  readonly waitMs: number
  readonly runMs: number
  readonly param: readonly [key: string, value: string]
  readonly error: string | null
}

interface Kind {
  readonly taskType: string
  readonly share: number
  readonly runMs: number
  readonly param: string
  /** What went wrong with it at that time of the night; null: nothing. */
  readonly fail?: (n: number, ageMs: number, chance: number) => string | null
}

const KINDS: readonly Kind[] = [
  { taskType: 'thumbnail', share: 0.5, runMs: 300, param: 'image' },
  {
    taskType: 'sync_prices',
    share: 0.25,
    runMs: 1_500,
    param: 'symbol',
    fail: (n, ageMs, chance) =>
      ageMs < 40 * MINUTE_MS && chance < 0.7 ? `connect ECONNREFUSED 10.0.3.${n % 200}:5432` : null,
  },
  {
    taskType: 'send_invoice',
    share: 0.2,
    runMs: 800,
    param: 'invoice',
    fail: (n, _ageMs, chance) => (chance < 0.02 ? `invoice INV-${n} has no address` : null),
  },
  { taskType: 'backfill', share: 0.05, runMs: 20_000, param: 'day' },
]

/** So many tasks, oldest first, the same at every call. */
export function nightTasks(count: number): NightTask[] {
  const random = seeded(20)
  const others = count - FAILED_BACKFILLS
  const tasks = Array.from({ length: others }, (_, n) => {
    const ageMs = Math.round(NIGHT_MS * (1 - n / others))
    return endedTask(n, ageMs, pickKind(random()), random)
  })
  for (let n = 0; n < FAILED_BACKFILLS; n += 1) {
    const ageMs = 7 * HOUR_MS - n * 30_000
    const day = `2026-0${1 + (n % 9)}-${10 + (n % 19)}`
    tasks.push({
      ...{ taskType: 'backfill', ageMs, waitMs: 40, runMs: 30_000 + n },
      param: ['day', day],
      error: `the exchange answered 503 for ${day}`,
    })
  }
  return tasks.sort((one, other) => other.ageMs - one.ageMs)
}

function endedTask(n: number, ageMs: number, kind: Kind, random: () => number): NightTask {
  const { taskType, param, fail } = kind
  const waitMs = Math.min(Math.round(5 + 200 * random() ** 4), ageMs)
  const runMs = Math.min(Math.round(kind.runMs * (0.5 + 4 * random() ** 6)), ageMs - waitMs)
  const value = param === 'invoice' ? `INV-${n}` : `${param}-${n}`
  const error = fail?.(n, ageMs, random()) ?? null
  return { taskType, ageMs, waitMs, runMs, param: [param, value], error }
}

function pickKind(chance: number): Kind {
  let left = chance
  for (const kind of KINDS) {
    left -= kind.share
    if (left < 0) return kind
  }
  throw new RangeError('the shares add up to less than 1')
}

/** Numbers from 0 to 1 that look random (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What the server runs by now: the faults of the night are mended. */
export function createNightTypes(): AnyTask[] {
  const { task } = createTaskRegistry()
  const ended = KINDS.map(({ taskType, param }) =>
    task(taskType, { maxRetries: 0, params: z.object({ [param]: z.string() }) })(() => {}),
  )
  return [
    ...ended,
    task('export_report')(() => {}),
    task('send_reminder')(() => {}),
    task('watch_inbox')(() => {}),
    task('close_books', { params: z.object({ month: z.string() }) })(() => {}),
  ]
}
