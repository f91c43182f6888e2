import type { Overview, OverviewRange, TaskFigures } from '../../contract/overview.ts'
import type { Database } from '../../db/database.ts'
import { endsIn, type Figures, runningIn, sum, waitingIn } from '../definition/figures.ts'
import { listExecutors } from '../store/executors.ts'
import { readFigures, type Span } from '../store/figures.ts'
import { countRetrying, type TypeCount } from '../store/stats.ts'
import { SharedRead } from './shared-read.ts'
import { countSlots } from './slots-in-use.ts'
import type { Statistics } from './statistics.ts'

const RANGES: Record<OverviewRange, { span: Span; count: number }> = {
  '1h': { span: 1, count: 60 },
  '24h': { span: 15, count: 96 },
  '7d': { span: 60, count: 168 },
}

const MAX_SHARED = 100

/** Reads kept figures and the statistics: its cost does not depend on the number of ended tasks. */
export class Overviews {
  readonly #db: Database
  readonly #statistics: Statistics
  readonly #shared = new Map<string, SharedRead<Overview>>()

  constructor(db: Database, statistics: Statistics) {
    this.#db = db
    this.#statistics = statistics
  }

  read(range: OverviewRange, taskType: string | null): Promise<Overview> {
    const key = `${range} ${taskType ?? ''}`
    let shared = this.#shared.get(key)
    if (!shared) {
      if (this.#shared.size >= MAX_SHARED) this.#shared.clear()
      shared = new SharedRead(() => this.#make(range, taskType), this.#db.responseTimeoutMs)
      this.#shared.set(key, shared)
    }
    return shared.get()
  }

  async #make(range: OverviewRange, taskType: string | null): Promise<Overview> {
    const { span, count } = RANGES[range]
    const [spans, types, executors] = await Promise.all([
      readFigures(this.#db, { span, count, taskType }),
      this.#statistics.countTypes(),
      listExecutors(this.#db),
    ])
    return {
      range,
      taskType,
      spanSeconds: span * 60,
      spans: spans.map(({ at, figures }) => ({ at, ...describe(figures) })),
      whole: describe(sum(spans.map(({ figures }) => figures))),
      backlog: await this.#countBacklog(
        types.filter((one) => taskType === null || one.taskType === taskType),
      ),
      slots: countSlots(executors),
    }
  }

  async #countBacklog(types: readonly TypeCount[]): Promise<Overview['backlog']> {
    const open = types.filter((type) => !type.paused && !type.waitingFor)
    const delayed = open.filter(({ later }) => later > 0).map(({ taskType }) => taskType)
    const retrying = await countRetrying(this.#db, delayed)
    const add = (some: readonly TypeCount[], count: (type: TypeCount) => number) =>
      some.reduce((total, type) => total + count(type), 0)
    // The counts are of two instants.
    const retryingOf = ({ taskType, later }: TypeCount) => Math.min(later, retrying.get(taskType) ?? 0)
    return {
      due: add(open, ({ pending, later }) => pending - later),
      later: add(open, (type) => type.later - retryingOf(type)),
      retrying: add(open, retryingOf),
      paused: add(
        types.filter(({ paused }) => paused),
        ({ pending }) => pending,
      ),
      unserved: add(
        types.filter(({ paused, waitingFor }) => !paused && waitingFor),
        ({ pending }) => pending,
      ),
    }
  }
}

function describe(figures: Figures): TaskFigures {
  return { ...endsIn(figures), waiting: waitingIn(figures), running: runningIn(figures) }
}
