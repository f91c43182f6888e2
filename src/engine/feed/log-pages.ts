import type { TaskLogLine } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import { listLogs } from '../store/read.ts'
import { toLogLine } from '../store/rows.ts'
import type { WatchedTask } from './watched-task.ts'

/** Lines that a slow viewer holds in memory at most. */
const PAGE_LINES = 200

/** Log lines for viewers that are behind; viewers at the same position share a read. */
export class LogPages {
  readonly #db: Database
  readonly #pages = new Map<string, Promise<readonly TaskLogLine[]>>()

  constructor(db: Database) {
    this.#db = db
  }

  async linesAfter(watched: WatchedTask, position: number, known: number): Promise<readonly TaskLogLine[]> {
    const recent = watched.recentAfter(position)
    if (recent) return recent
    // A page read for a smaller `known` may lack lines that have settled since.
    const key = `${watched.taskId} ${position} ${known}`
    let page = this.#pages.get(key)
    if (!page) {
      page = this.#read(watched.taskId, position).finally(() => this.#pages.delete(key))
      this.#pages.set(key, page)
    }
    return (await page).filter(({ id }) => id <= known)
  }

  async #read(taskId: string, afterId: number): Promise<readonly TaskLogLine[]> {
    const page = { limit: PAGE_LINES, offset: 0, order: 'asc' } as const
    const rows = await listLogs(this.#db, taskId, { afterId }, page)
    return rows.map(toLogLine)
  }
}
