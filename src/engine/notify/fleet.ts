import type { DueTasks } from './notifications.ts'

/** Live executors of the same types, ordered alike in all of them. */
export interface Fleet {
  readonly size: number
  /** This executor's place among them, from 0. */
  readonly position: number
}

const FEW = 3

/** A second group of the same size wakes later: executors of the first may have no free slot, or have just died. */
const BACKUP_MS = 20

/** Delay of this executor's claim; undefined: it does not claim. As many claim as there are tasks, and as many again later. */
export function wakeUpDelay({ size, position }: Fleet, { count, seed }: DueTasks): number | undefined {
  if (size <= FEW || count >= size) return 0
  const distance = (position + seed) % size
  if (distance < count) return 0
  return distance < 2 * count ? BACKUP_MS : undefined
}

/** In a large fleet, so many executors are on duty for one turn: they claim delayed tasks when due. Then the next ones. */
const ON_DUTY = 3
const TURN_MS = 1_000

/**
 * When this executor claims a task that is due at `dueAt`, an instant in milliseconds: at once if it is on duty then.
 * Otherwise when its own turn begins, to learn what is due in it, but within a poll interval of `dueAt`, spread over it,
 * as those on duty may have no free slot.
 */
export function claimInstant({ size, position }: Fleet, dueAt: number, pollIntervalMs: number): number {
  if (size <= FEW) return dueAt
  const turn = Math.floor(dueAt / TURN_MS)
  const place = (position + turn * ON_DUTY) % size
  const ahead = place < ON_DUTY ? 0 : Math.ceil((size - place) / ON_DUTY)
  const duty = ahead === 0 ? dueAt : (turn + ahead) * TURN_MS
  return Math.min(duty, dueAt + (pollIntervalMs * (position + 1)) / size)
}

/**
 * When this executor claims what waits for a permit: one of those on duty at once, the others a little later. Of several
 * claims at the same instant, one finds the permits, and all others would find the type locked.
 */
export function permitInstant(fleet: Fleet, permitAt: number, pollIntervalMs: number): number {
  const instant = claimInstant(fleet, permitAt, pollIntervalMs)
  if (instant > permitAt) return instant
  const { size, position } = fleet
  const step = size <= FEW ? 1 : ON_DUTY
  const isFirst = (position + Math.floor(permitAt / TURN_MS) * step) % size === 0
  return isFirst ? permitAt : permitAt + BACKUP_MS
}
