import type { TaskLogLine } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import { listLogs } from '../store/read.ts'
import { toLogLine } from '../store/rows.ts'
import type { WatchedTask } from './watched-task.ts'

/** Lines per read of the database. */
const PAGE_LINES = 200

/** Log lines for viewers that are behind; viewers at the same position share a read. */
export class LogPages {
  readonly #db: Database
  readonly #pages = new Map<string, Promise<readonly TaskLogLine[]>>()

  constructor(db: Database) {
    this.#db = db
  }

  /** The lines after `position`, up to `settled` and at most a page of them. */
  async linesAfter(watched: WatchedTask, position: number, settled: number): Promise<readonly TaskLogLine[]> {
    const recent = watched.recentAfter(position)
    if (recent) return recent
    // Not a page that was read for a smaller `settled`: it may lack lines that have settled since.
    const key = `${watched.taskId} ${position} ${settled}`
    let page = this.#pages.get(key)
    if (!page) {
      page = this.#read(watched.taskId, position).finally(() => this.#pages.delete(key))
      this.#pages.set(key, page)
    }
    return (await page).filter(({ id }) => id <= settled)
  }

  async #read(taskId: string, afterId: number): Promise<readonly TaskLogLine[]> {
    const page = { limit: PAGE_LINES, offset: 0, order: 'asc' } as const
    const rows = await listLogs(this.#db, taskId, { afterId }, page)
    return rows.map(toLogLine)
  }
}
