import type { TaskEventName } from '../../../src/engine/manager/host-events.ts'

/** Every event that a host can listen to. */
export const NAMES = [
  'created',
  'started',
  'completed',
  'failed',
  'retrying',
  'cancelled',
  'stuck',
] as const satisfies TaskEventName[]
