import type { DueTasks } from './notifications.ts'

/**
 * Live executors with exactly the same types, ordered by id, as this executor's last heartbeat counted them: those of
 * others may differ for a moment.
 */
export interface Fleet {
  readonly size: number
  /** This executor's position among them, from 0. */
  readonly position: number
}

/** Up to this size, all executors of a fleet claim. */
const FEW = 3

/** A second group wakes this much later: executors of the first group may have no free slot, or have just died. */
const BACKUP_MS = 20

/**
 * After how many milliseconds a notification of due tasks wakes this executor; undefined: it does not. In a fleet of
 * more than FEW, as many executors claim at once as there are tasks, and up to as many again later. Each fleet selects its
 * own, as a notification names no type.
 */
export function wakeUpDelay({ size, position }: Fleet, { count, seed }: DueTasks): number | undefined {
  if (size <= FEW || count >= size) return 0
  const distance = (position + seed) % size
  if (distance < count) return 0
  return distance < 2 * count ? BACKUP_MS : undefined
}

/**
 * In a fleet of more than FEW, so many executors are on duty at a time: they claim delayed tasks when these are due. They
 * change with every turn, a second of the database's clock.
 */
const ON_DUTY = 3
const TURN_MS = 1_000

/** Of claims for the same permit, one comes first: the others would find the type locked. */
const AFTER_FIRST_MS = 20

/**
 * When this executor claims a task that is due at `dueAt`; both are milliseconds of the database's clock. At `dueAt` if it
 * is on duty then. Otherwise when its next turn begins, as it must then know what is due in it, but within a poll interval
 * after `dueAt`, as those on duty may have no free slot; executors claim at different moments of that interval.
 */
export function claimInstant({ size, position }: Fleet, dueAt: number, pollIntervalMs: number): number {
  if (size <= FEW) return dueAt
  const turn = Math.floor(dueAt / TURN_MS)
  const order = (position + turn * ON_DUTY) % size
  const turnsUntilDuty = order < ON_DUTY ? 0 : Math.ceil((size - order) / ON_DUTY)
  const onDutyAt = turnsUntilDuty === 0 ? dueAt : (turn + turnsUntilDuty) * TURN_MS
  return Math.min(onDutyAt, dueAt + (pollIntervalMs * (position + 1)) / size)
}

/** As `claimInstant`, for tasks that wait for a permit: of the executors that would claim at `permitAt`, one does. */
export function permitInstant(fleet: Fleet, permitAt: number, pollIntervalMs: number): number {
  const instant = claimInstant(fleet, permitAt, pollIntervalMs)
  if (instant > permitAt) return instant
  const { size, position } = fleet
  const perTurn = size <= FEW ? 1 : ON_DUTY
  const isFirst = (position + Math.floor(permitAt / TURN_MS) * perTurn) % size === 0
  return isFirst ? permitAt : permitAt + AFTER_FIRST_MS
}
