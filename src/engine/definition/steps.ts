import { MAX_DELAY_MS } from '../../contract/requests.ts'
import { stepName } from '../../contract/task.ts'
import { TaskError } from './errors.ts'

/** Steps and sleeps that a task may have. */
export const MAX_STEPS = 10_000

/** A time span; the parts are added. Each is 0 or more, at most ten years in all. */
export interface Duration {
  /** Days of 24 hours. Default 0. */
  readonly days?: number
  /** Default 0. */
  readonly hours?: number
  /** Default 0. */
  readonly minutes?: number
  /** Default 0. */
  readonly seconds?: number
}

/** When a sleep is over: after so many milliseconds, after a time span, or at an instant. */
export type SleepUntil = number | Duration | Date

/** Relative times are added to the database's clock. */
export type Due = { readonly delayMs: number } | { readonly at: string }

export interface Sleep {
  readonly name: string
  readonly until: Due
}

/** Thrown by a sleep that suspends the run, so that its handler ends. Catching it changes nothing. */
export class Suspended extends Error {
  override readonly name = 'Suspended'

  constructor(message = 'the task sleeps: its next attempt continues after the sleep') {
    super(message)
  }
}

const UNITS = { days: 86_400_000, hours: 3_600_000, minutes: 60_000, seconds: 1_000 } as const

/** What `from` of a retry calls the beginning: no step has this name. */
export const START = 'start'

/** How messages name a step. */
export function describeStep(name: string): string {
  return `step ${JSON.stringify(name)}`
}

/** @throws TaskError `INVALID_ARGUMENT` that names what is wrong */
export function checkStepName(name: unknown): asserts name is string {
  if (name === START) {
    throw invalid(
      'name',
      `the name of a step must not be "${START}": a retry from "${START}" forgets all steps`,
    )
  }
  if (stepName.safeParse(name).success) return
  const got = typeof name === 'string' ? `one of ${name.length}` : describe(name)
  throw invalid('name', `the name of a step must be text of 1 to 200 characters, got ${got}`)
}

/** @throws TaskError `INVALID_ARGUMENT` that names what is wrong */
export function readUntil(until: unknown): Due {
  if (until instanceof Date) {
    const ms = until.getTime()
    if (Number.isNaN(ms)) throw invalid('until', 'until must be a valid Date, got an invalid one')
    if (ms - Date.now() > MAX_DELAY_MS) throw tooLong(until.toISOString())
    // All instants before 1970 are past.
    return { at: new Date(Math.max(0, ms)).toISOString() }
  }
  const delayMs = typeof until === 'number' ? until : sumOf(until)
  if (!Number.isFinite(delayMs) || delayMs < 0) {
    throw invalid('until', `until must be 0 or more milliseconds, got ${delayMs}`)
  }
  if (delayMs > MAX_DELAY_MS) throw tooLong(`${delayMs} ms`)
  return { delayMs }
}

function sumOf(until: unknown): number {
  const parts = typeof until === 'object' && until !== null ? Object.entries(until) : []
  const known = parts.filter(([, value]) => value !== undefined)
  if (known.length === 0) {
    const expected = 'milliseconds, a Date, or { days?, hours?, minutes?, seconds? }'
    throw invalid('until', `until must be ${expected}, got ${describe(until)}`)
  }
  return known.reduce((sum, [unit, value]) => {
    const ms = Object.hasOwn(UNITS, unit) ? UNITS[unit as keyof typeof UNITS] : undefined
    if (ms === undefined) {
      throw invalid(`until/${unit}`, `until.${unit} is not known (known: ${Object.keys(UNITS).join(', ')})`)
    }
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
      throw invalid(`until/${unit}`, `until.${unit} must be a number of 0 or more, got ${describe(value)}`)
    }
    return sum + value * ms
  }, 0)
}

function tooLong(got: string): TaskError {
  return invalid('until', `until must be at most ten years (${MAX_DELAY_MS} ms) ahead, got ${got}`)
}

function describe(value: unknown): string {
  if (value === null || typeof value !== 'object') return String(value).slice(0, 100)
  return Object.keys(value).length === 0 ? 'an empty object' : `a value of type ${typeof value}`
}

export function invalid(field: string, detail: string): TaskError {
  return new TaskError('INVALID_ARGUMENT', detail, { problems: [{ pointer: `/${field}`, detail }] })
}
