import type { DueTasks } from './notifications.ts'

/** The living executors that run the same types, this one included, in an order that all of them know. */
export interface Fleet {
  readonly size: number
  /** 0 … size − 1. */
  readonly position: number
}

/** So many may claim at each notification: in a fleet no larger every executor is woken. */
const FEW = 3

/** Until others are woken for the same tasks: those that were woken first may have no free slot, or have just died. */
const BACKUP_MS = 20

/**
 * How long this executor waits before it claims what a notification is about; undefined: it leaves that to others. As
 * many executors are woken as there are tasks, and as many again a moment later. What all of those leave, a poll finds.
 */
export function wakeUpDelay({ size, position }: Fleet, { count, seed }: DueTasks): number | undefined {
  if (size <= FEW || count >= size) return 0
  const distance = (position + seed) % size
  if (distance < count) return 0
  return distance < 2 * count ? BACKUP_MS : undefined
}
