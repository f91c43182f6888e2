import type { DueTasks } from './notifications.ts'

/** The live executors that run the same types, this one included, in an order that is the same for all of them. */
export interface Fleet {
  readonly size: number
  /** 0 … size − 1. */
  readonly position: number
}

/** A fleet of this size or less is woken as a whole by each notification. */
const FEW = 3

/** Later as many others are woken for the same tasks: the first ones may have no free slot, or have just died. */
const BACKUP_MS = 20

/**
 * Milliseconds until this executor claims what a notification is about; undefined: it does not. As many executors are
 * woken as there are tasks, and as many again a moment later; what none of them claims, a poll finds.
 */
export function wakeUpDelay({ size, position }: Fleet, { count, seed }: DueTasks): number | undefined {
  if (size <= FEW || count >= size) return 0
  const distance = (position + seed) % size
  if (distance < count) return 0
  return distance < 2 * count ? BACKUP_MS : undefined
}
