import type { ScheduleTick, ScheduleTicks } from '../../contract/schedule.ts'
import type { Database } from '../../db/database.ts'
import { parseInstant } from '../../db/reading.ts'
import { TASK_ID } from '../definition/lifecycle.ts'
import { findTickTasks, listTicks, type TicksRow, type TickTask } from '../store/schedule-ticks.ts'
import { listNext, parseCron } from './cron.ts'

const SHOWN_NEXT = 5

/** What each schedule did at its newest ticks, and when it ticks next. */
export async function readTicks(db: Database): Promise<ScheduleTicks[]> {
  const rows = await listTicks(db)
  const kept = rows.map((row) => row.ticks.flatMap(readTick))
  const taskIds = kept.flat().flatMap(({ taskId }) => (taskId !== null && TASK_ID.test(taskId) ? taskId : []))
  const tasks = new Map((await findTickTasks(db, taskIds)).map((task) => [task.taskId, task]))
  return rows.map((row, i) => ({
    name: row.name,
    past: (kept[i] ?? []).map((tick) => ({ ...tick, ...found(tasks, tick) })),
    next: nextOf(row),
  }))
}

function found(tasks: ReadonlyMap<string, TickTask>, { taskId }: Pick<ScheduleTick, 'taskId'>) {
  const { status = null, durationMs = null } = (taskId !== null && tasks.get(taskId)) || {}
  // Edited by hand, a task may end before it starts.
  return { status, durationMs: durationMs === null ? null : Math.max(0, durationMs) }
}

/** Nothing of one that others have written wrongly. */
function readTick(text: string): Pick<ScheduleTick, 'at' | 'taskId' | 'error'>[] {
  try {
    const { at, taskId, error } = JSON.parse(text) as {
      at: string
      taskId: string | null
      error: string | null
    }
    return [{ at: parseInstant(at), taskId, error }]
  } catch {
    return []
  }
}

function nextOf({ cron, timeZone, enabled, now }: TicksRow): Date[] {
  if (!enabled) return []
  try {
    return listNext(parseCron(cron, timeZone), now, SHOWN_NEXT)
  } catch {
    // `lastError` has the reason.
    return []
  }
}
