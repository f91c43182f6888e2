import type {
  Backlog,
  Overview,
  OverviewByType,
  OverviewRange,
  TaskFigures,
} from '../../contract/overview.ts'
import type { Database } from '../../db/database.ts'
import { endsIn, type Figures, noFigures, runningIn, sum, waitingIn } from '../definition/figures.ts'
import { listExecutors } from '../store/executors.ts'
import { readFigures, readFiguresByType, type Span } from '../store/figures.ts'
import { countRetrying, type OpenCount } from '../store/stats.ts'
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
  readonly #sharedByType: Record<OverviewRange, SharedRead<OverviewByType>>

  constructor(db: Database, statistics: Statistics) {
    this.#db = db
    this.#statistics = statistics
    const share = (range: OverviewRange) =>
      new SharedRead(() => this.#makeByType(range), db.responseTimeoutMs)
    this.#sharedByType = { '1h': share('1h'), '24h': share('24h'), '7d': share('7d') }
  }

  readByType(range: OverviewRange): Promise<OverviewByType> {
    return this.#sharedByType[range].get()
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
    const [spans, all, executors] = await Promise.all([
      readFigures(this.#db, { span, count, taskType }),
      this.#statistics.countOpen(),
      listExecutors(this.#db),
    ])
    const types = all.filter((one) => taskType === null || one.taskType === taskType)
    return {
      range,
      taskType,
      spanSeconds: span * 60,
      spans: spans.map(({ at, figures }) => ({ at, ...describe(figures) })),
      whole: describe(sum(spans.map(({ figures }) => figures))),
      backlog: addUp(types, await this.#countRetrying(types)),
      slots: countSlots(executors),
    }
  }

  async #makeByType(range: OverviewRange): Promise<OverviewByType> {
    const { span, count } = RANGES[range]
    const [read, types] = await Promise.all([
      readFiguresByType(this.#db, { span, count }),
      this.#statistics.countOpen(),
    ])
    const retrying = await this.#countRetrying(types)
    const kept = new Map(read.map((one) => [one.taskType, one]))
    const none = { figures: noFigures(), ended: new Array<number>(count).fill(0) }
    const names = new Set([...kept.keys(), ...types.map(({ taskType }) => taskType)])
    return {
      range,
      spanSeconds: span * 60,
      types: [...names].sort().map((taskType) => {
        const { figures, ended, failed } = kept.get(taskType) ?? { ...none, failed: none.ended }
        const counts = types.filter((one) => one.taskType === taskType)
        const running = counts.reduce((total, one) => total + one.running, 0)
        return {
          taskType,
          whole: describe(figures),
          ended,
          failed,
          running,
          backlog: addUp(counts, retrying),
        }
      }),
    }
  }

  #countRetrying(types: readonly OpenCount[]): Promise<ReadonlyMap<string, number>> {
    const delayed = types.filter((type) => isOpen(type) && type.later > 0)
    return countRetrying(
      this.#db,
      delayed.map(({ taskType }) => taskType),
    )
  }
}

const isOpen = ({ paused, waitingFor }: OpenCount) => !paused && !waitingFor

function addUp(types: readonly OpenCount[], retrying: ReadonlyMap<string, number>): Backlog {
  const backlog = { due: 0, later: 0, retrying: 0, paused: 0, unserved: 0 }
  for (const { taskType, pending, later, paused, waitingFor } of types) {
    // The counts are of two instants.
    const again = Math.min(later, retrying.get(taskType) ?? 0)
    if (paused) backlog.paused += pending
    else if (waitingFor) backlog.unserved += pending
    else {
      backlog.due += pending - later
      backlog.later += later - again
      backlog.retrying += again
    }
  }
  return backlog
}

function describe(figures: Figures): TaskFigures {
  return { ...endsIn(figures), waiting: waitingIn(figures), running: runningIn(figures) }
}
