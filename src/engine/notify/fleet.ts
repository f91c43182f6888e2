import type { DueTasks } from './notifications.ts'

/** Live executors of the same types, ordered alike in all of them. */
export interface Fleet {
  readonly size: number
  readonly position: number
}

const FEW = 3

/** A second group of the same size wakes later: executors of the first may have no free slot, or have just died. */
const BACKUP_MS = 20

/** Delay of this executor's claim; undefined: none. As many wake as there are tasks, and as many again later. */
export function wakeUpDelay({ size, position }: Fleet, { count, seed }: DueTasks): number | undefined {
  if (size <= FEW || count >= size) return 0
  const distance = (position + seed) % size
  if (distance < count) return 0
  return distance < 2 * count ? BACKUP_MS : undefined
}
