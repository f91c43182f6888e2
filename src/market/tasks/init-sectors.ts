import type { TaskContext } from '../../engine/definition/context.ts'
import type { TaskRegistry } from '../../engine/definition/registry.ts'
import { isUsableName } from '../names.ts'
import type { Board, BoardType } from '../sources/source.ts'
import { saveBoards, saveMembers } from '../store/boards.ts'
import { findFinishedUnits, forgetFinishedUnits, markUnitFinished } from '../store/finished-units.ts'
import { type WriteCounts, writeUnit } from '../store/write-unit.ts'
import type { Symbol6 } from '../symbols.ts'
import type { Market } from './market.ts'
import { initSectorsParams } from './params.ts'
import { runUnits } from './run-units.ts'
import { createCall, warnOfFaults } from './source-call.ts'
import { addCounts, noCounts } from './summary.ts'

/** Boards named in a warning. */
const MAX_NAMED = 20
/** As wide as the column. */
const MAX_CODE_CHARS = 20

/**
 * Loads the boards, then the members of each. Nothing is taken away: a board that left the list and a stock that
 * left a board stay, because a short response looks like a complete one.
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
      invalid: invalid + members.invalid,
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
  const call = createCall(ctx)
  const listed = await source.boards(type, call)
  warnOfFaults(ctx, 'the list of boards', call.faults)
  if (listed.length === 0) throw new Error(`source '${source.name}' answered with an empty list of boards`)
  const boards = listed.filter(
    ({ code, name }) => code !== '' && code.length <= MAX_CODE_CHARS && isUsableName(name),
  )
  const unusable = listed.filter((board) => !boards.includes(board))
  if (unusable.length > 0) {
    const named = unusable.slice(0, MAX_NAMED).map(({ code, name }) => `'${code}' '${name}'`)
    ctx.log.warn(`${unusable.length} boards without a usable code and name are left out: ${named.join(', ')}`)
  }
  return { boards, invalid: unusable.length + call.faults.length }
}

async function loadMembers(
  { pool, source }: Market,
  ctx: TaskContext,
  boards: readonly Board[],
): Promise<WriteCounts & { readonly invalid: number }> {
  const finished = await findFinishedUnits(pool, ctx.taskId)
  const units = boards.filter((board) => !finished.has(unitOf(board)))
  let counts = noCounts()
  let invalid = 0
  await runUnits<Board, { symbols: Symbol6[]; faults: readonly string[] }>(ctx, {
    noun: 'boards',
    units,
    done: boards.length - units.length,
    nameOf: (board) => `${board.code} ${board.name}`,
    async fetch(board, signal) {
      const call = createCall(ctx, signal)
      return { symbols: await source.boardMembers(board, call), faults: call.faults }
    },
    async write(board, { symbols, faults }) {
      warnOfFaults(ctx, `members of ${board.code} ${board.name}`, faults)
      invalid += faults.length
      const written = await writeUnit(pool, ctx, async (client) => {
        const saved = await saveMembers(client, board.code, symbols)
        await markUnitFinished(client, ctx.taskId, unitOf(board))
        return saved
      })
      counts = addCounts(counts, written)
    },
  })
  const found = counts.created + counts.skipped
  if (found === 0 && units.length === boards.length) {
    ctx.log.warn(
      `none of ${units.length} boards has a member in source '${source.name}'; no relation is stored`,
    )
  }
  return { ...counts, invalid }
}

function unitOf(board: Board): string {
  return `board ${board.code}`
}
