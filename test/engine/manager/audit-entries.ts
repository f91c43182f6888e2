import { expect } from 'vitest'
import type { Actor } from '../../../src/engine/definition/actor.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'

export const actor: Actor = { id: 'u1', name: 'Ada', requestId: 'req-1', address: '192.0.2.1' }
export const MISSING = `task_${'0'.repeat(32)}`

/** Oldest first, as `action subject outcome`. */
export async function entriesOf(manager: TaskManager): Promise<string[]> {
  const { entries } = await manager.listAudit()
  return entries.map(({ action, subject, outcome }) => `${action} ${subject} ${outcome}`).reverse()
}

/** The code with which it is refused. */
export function refused(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => expect.unreachable('was not refused'),
    ({ code }: { code: string }) => code,
  )
}
