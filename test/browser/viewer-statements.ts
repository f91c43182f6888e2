import pg from 'pg'

/** By name; the texts of lists have none. `report_changes` is what executors send while somebody watches. */
const OF_VIEWERS: readonly [name: string, pattern: RegExp][] = [
  ['poll', /tasks_feed /],
  ['watch', /tasks_(watch|fleet_state|delete_old_reports) /],
  ['report', /tasks_report_changes /],
  ['list', /order by t\.created_at desc, t\.id desc|count\(\*\)::int as count from \(select id/],
  ['session', /from sessions /],
]

export type ViewerStatements = Record<string, number>

/** Counts what this process sends to its databases, from now on, because somebody watches tasks; returns the counts. */
export function countViewerStatements(): { counts: ViewerStatements; stop(): void } {
  const counts: ViewerStatements = Object.fromEntries(OF_VIEWERS.map(([name]) => [name, 0]))
  const { query } = pg.Client.prototype
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [config] = args
    const text = typeof config === 'string' ? config : (config as { text?: string }).text
    const found = OF_VIEWERS.find(([, pattern]) => text !== undefined && pattern.test(text))
    if (found) counts[found[0]] = (counts[found[0]] ?? 0) + 1
    return Reflect.apply(query, this, args)
  } as typeof query
  return {
    counts,
    stop() {
      pg.Client.prototype.query = query
    },
  }
}
