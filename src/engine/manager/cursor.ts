import { TaskError } from '../definition/errors.ts'
import type { ListPosition } from '../store/list-branches.ts'

const CURSOR = /^(\d{1,19})_(\d{1,19})$/

export function encodeCursor({ createdAtMicros, id }: ListPosition): string {
  return Buffer.from(`${createdAtMicros}_${id}`).toString('base64url')
}

/** @throws TaskError `INVALID_ARGUMENT` */
export function decodeCursor(cursor: string): ListPosition {
  const [, createdAtMicros, id] = CURSOR.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  const inRange = (text: string | undefined) => text !== undefined && BigInt(text) < 2n ** 63n
  if (createdAtMicros !== undefined && id !== undefined && inRange(id) && isInstant(createdAtMicros)) {
    return { createdAtMicros, id }
  }
  const problems = [{ pointer: '/cursor', detail: 'must be the nextCursor of a page' }]
  throw new TaskError('INVALID_ARGUMENT', 'cursor must be the nextCursor of a page', { problems })
}

/** Before the year 10000: PostgreSQL overflows far beyond it. */
function isInstant(micros: string): boolean {
  return BigInt(micros) < 253_402_300_800_000_000n
}
