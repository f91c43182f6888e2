import { TaskError } from '../definition/errors.ts'
import type { ListPosition } from '../store/list-branches.ts'

const CURSOR = /^(\d{1,19})_(\d{1,19})(?:_(\d{1,9}))?$/

/** @param offset of the next page in the window of a search that begins there */
export function encodeCursor({ createdAtMicros, id }: ListPosition, offset?: number): string {
  const position = `${createdAtMicros}_${id}`
  return Buffer.from(offset === undefined ? position : `${position}_${offset}`).toString('base64url')
}

export interface Cursor extends ListPosition {
  readonly offset?: number
}

/** @throws TaskError `INVALID_ARGUMENT` */
export function decodeCursor(cursor: string): Cursor {
  const [, createdAtMicros, id, offset] = CURSOR.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  const inRange = (text: string | undefined) => text !== undefined && BigInt(text) < 2n ** 63n
  if (createdAtMicros !== undefined && id !== undefined && inRange(id) && isInstant(createdAtMicros)) {
    return { createdAtMicros, id, ...(offset !== undefined && { offset: Number(offset) }) }
  }
  const problems = [{ pointer: '/cursor', detail: 'must be the nextCursor of a page' }]
  throw new TaskError('INVALID_ARGUMENT', 'cursor must be the nextCursor of a page', { problems })
}

/** Before the year 10000: PostgreSQL overflows far beyond it. */
function isInstant(micros: string): boolean {
  return BigInt(micros) < 253_402_300_800_000_000n
}
