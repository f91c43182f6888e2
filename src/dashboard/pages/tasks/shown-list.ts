import type { TaskList, TaskSummary } from '../../../client/index.ts'

/** What is on the screen: rows stay in their places while somebody works with them. */
export interface ShownList extends TaskList {
  /** What is listed. */
  readonly scope: string
  /** The list as it was read last. */
  readonly latest: TaskList
  /** How many tasks of `latest` are not among the shown ones. */
  readonly news: number
  /** Shown tasks that were deleted. */
  readonly gone: ReadonlySet<string>
}

/** What became of tasks, by their ids; null: deleted. */
export type RowChanges = ReadonlyMap<string, TaskSummary | null>

/** Shows the latest list; selected tasks that are no longer in it stay at its end. */
export function showLatest(
  scope: string,
  latest: TaskList,
  before?: ShownList,
  isKept: (taskId: string) => boolean = () => false,
): ShownList {
  const listed = new Set(latest.tasks.map(({ taskId }) => taskId))
  const kept =
    before?.scope === scope ? before.tasks.filter(({ taskId }) => !listed.has(taskId) && isKept(taskId)) : []
  const gone = before?.gone ?? new Set<string>()
  return { ...latest, tasks: [...latest.tasks, ...kept], scope, latest, news: 0, gone }
}

/** Keeps the shown rows, as the latest list knows them, and counts those that wait. */
export function holdRows(shown: ShownList, latest: TaskList): ShownList {
  const ids = new Set(shown.tasks.map(({ taskId }) => taskId))
  return {
    ...latest,
    scope: shown.scope,
    tasks: replaceTasks(shown.tasks, new Map(latest.tasks.map((task) => [task.taskId, task]))),
    latest,
    news: latest.tasks.filter(({ taskId }) => !ids.has(taskId)).length,
    gone: shown.gone,
  }
}

export function changeTasks(shown: ShownList, changes: RowChanges): ShownList {
  const isShown = [...shown.tasks, ...shown.latest.tasks].some(({ taskId }) => changes.has(taskId))
  if (!isShown) return shown
  const latest = { ...shown.latest, tasks: replaceTasks(shown.latest.tasks, changes) }
  const gone = shown.tasks.filter(({ taskId }) => shown.gone.has(taskId) || changes.get(taskId) === null)
  return {
    ...shown,
    tasks: replaceTasks(shown.tasks, changes),
    latest,
    gone: new Set(gone.map(({ taskId }) => taskId)),
  }
}

const replaceTasks = (tasks: readonly TaskSummary[], others: RowChanges) =>
  tasks.map((task) => others.get(task.taskId) ?? task)
