import type { TaskContext } from '../../tasks/context.ts'
import type { TaskRegistry } from '../../tasks/registry.ts'
import type { Board, BoardType } from '../sources/source.ts'
import { saveBoards, saveMembers } from '../store/boards.ts'
import { findFinishedUnits, forgetFinishedUnits, markUnitFinished } from '../store/finished-units.ts'
import { type WriteCounts, writeUnit } from '../store/write-unit.ts'
import type { Symbol6 } from '../symbols.ts'
import type { Market } from './market.ts'
import { initSectorsParams } from './params.ts'
import { runUnits } from './run-units.ts'
import { addCounts, noCounts } from './summary.ts'

/** As wide as the column. */
const MAX_CODE_CHARS = 20

/**
 * Loads the boards, then the members of each. Nothing is taken away: a board that left the list and a stock that
 * left a board stay, because an answer that is short cannot be told from one that is complete.
 */
export function registerInitSectors(registry: TaskRegistry, market: Market) {
  return registry.task('init_sectors', { params: initSectorsParams })(async ({ sectorType }, ctx) => {
    ctx.log.info(`loading ${sectorType ?? 'industry and concept'} boards from source '${market.source.name}'`)
    ctx.progress(0, 0, 'listing boards')
    const { boards, invalid } = await listBoards(market, ctx, sectorType)
    const counts = await writeUnit(market.pool, ctx, (client) => saveBoards(client, boards))
    ctx.log.info(
      `${boards.length} boards: ${counts.created} created, ${counts.updated} updated, ${counts.skipped} unchanged`,
    )
    const members = await loadMembers(market, ctx, boards)
    await writeUnit(market.pool, ctx, (client) => forgetFinishedUnits(client, ctx.taskId))
    const result = {
      ...counts,
      invalid,
      industries: boards.filter((board) => board.type === 'industry').length,
      concepts: boards.filter((board) => board.type === 'concept').length,
      relationsCreated: members.created,
      relationsSkipped: members.skipped,
    }
    ctx.log.info(
      `${result.industries} industries and ${result.concepts} concepts: ${members.created} relations created, ${members.skipped} already there`,
      result,
    )
    return result
  })
}

/**
 * The source's boards, without rows that cannot be stored.
 *
 * @throws Error when there is none: no market is without boards, so the source had a bad moment
 */
async function listBoards(
  { source }: Market,
  ctx: TaskContext,
  type: BoardType | undefined,
): Promise<{ boards: Board[]; invalid: number }> {
  const listed = await source.boards(type, ctx.signal)
  if (listed.length === 0) throw new Error(`source '${source.name}' answered with an empty list of boards`)
  const boards = listed.filter(
    ({ code, name }) => code !== '' && code.length <= MAX_CODE_CHARS && name.trim() !== '',
  )
  const invalid = listed.length - boards.length
  if (invalid > 0) ctx.log.warn(`${invalid} boards without a usable code and name are left out`)
  return { boards, invalid }
}

async function loadMembers(
  { pool, source }: Market,
  ctx: TaskContext,
  boards: readonly Board[],
): Promise<WriteCounts> {
  const finished = await findFinishedUnits(pool, ctx.taskId)
  const units = boards.filter((board) => !finished.has(unitOf(board)))
  let counts = noCounts()
  await runUnits<Board, Symbol6[]>(ctx, {
    noun: 'boards',
    units,
    done: boards.length - units.length,
    nameOf: (board) => `${board.code} ${board.name}`,
    fetch: (board, signal) => source.boardMembers(board, signal),
    async write(board, symbols) {
      const written = await writeUnit(pool, ctx, async (client) => {
        const saved = await saveMembers(client, board.code, symbols)
        await markUnitFinished(client, ctx.taskId, unitOf(board))
        return saved
      })
      counts = addCounts(counts, written)
    },
  })
  return counts
}

function unitOf(board: Board): string {
  return `board ${board.code}`
}
