/** Groups that one call lists. */
export const MAX_ERROR_GROUPS = 200
/** Failed tasks of a group that are counted: as many as a bulk action takes. */
export const MAX_GROUP_TASKS = 1_000

/** Failures of a type whose errors differ in numbers, ids, dates and quoted text alone. */
export interface ErrorGroup {
  /** Filters lists and bulk actions as `errorGroup`. */
  id: string
  /** Type of its tasks. */
  taskType: string
  /** What its errors have in common, at most 300 characters; null: all messages beyond 100 of a type. */
  message: string | null
  /** The latest error, at most 1,000 characters. */
  error: string
  /** Task of the latest error; it may have been deleted. */
  lastTaskId: string
  /** Attempts that failed, or were lost. */
  count: number
  /** Failed tasks that are still there, counted up to 1,000. */
  failedTasks: number
  /** The first failure. */
  firstAt: Date
  /** The latest failure. */
  lastAt: Date
  /** When somebody marked it as seen; null: nobody, or it was back after a day without failures. */
  seenAt: Date | null
  /** Failures in each of the last 24 hours, oldest first. */
  hours: number[]
  /** Start of the last one of `hours`, which is incomplete. */
  hoursUntil: Date
}

/** Which error groups to list. Without a field: all. */
export interface ErrorGroupQuery {
  /** Of this type alone. */
  taskType?: string | undefined
  /** True: marked as seen; false: not. */
  seen?: boolean | undefined
}
