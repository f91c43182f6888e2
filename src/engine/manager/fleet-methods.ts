import type { ScheduleView } from '../../contract/schedule.ts'
import type { ExecutorView, TaskTypeView } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import type { CreatedTask } from '../definition/create-options.ts'
import type { TaskReference } from '../definition/task-reference.ts'
import { defineSchedule, type ScheduleChanges, type ScheduleOptions } from '../schedules/schedule-options.ts'
import type { Schedules } from '../schedules/schedules.ts'
import { listExecutors } from '../store/executors.ts'
import type { TaskTypes } from './task-types.ts'

/** The methods of `TaskManager` for task types, executors and schedules. */
export class FleetMethods {
  readonly #db: Database
  readonly #schedules: Schedules
  readonly #types: TaskTypes

  constructor(parts: { db: Database; schedules: Schedules; types: TaskTypes }) {
    this.#db = parts.db
    this.#schedules = parts.schedules
    this.#types = parts.types
  }

  /** Lists the types that this app has registered, with their defaults in this process, and whether they are paused. */
  listTaskTypes(): Promise<TaskTypeView[]> {
    return this.#types.list()
  }

  /**
   * Pauses a type in all processes. Once this resolves, none of its tasks starts; running ones continue.
   *
   * @throws TaskError `UNKNOWN_TASK_TYPE` if neither this app nor any executor has registered the type
   */
  pauseTaskType(taskType: string): Promise<TaskTypeView> {
    return this.#types.pause(taskType)
  }

  /** Ends a pause. @throws TaskError `UNKNOWN_TASK_TYPE` */
  resumeTaskType(taskType: string): Promise<TaskTypeView> {
    return this.#types.resume(taskType)
  }

  /** Lists executors with their slots, running tasks and the age of their heartbeats. */
  listExecutors(): Promise<ExecutorView[]> {
    return listExecutors(this.#db)
  }

  /**
   * Creates a schedule, which creates one task at each tick. At most 1,000 schedules exist.
   *
   * @throws TaskError `DUPLICATE_SCHEDULE`, `TOO_MANY_SCHEDULES`, `UNKNOWN_TASK_TYPE`, `INVALID_PARAMS`, or
   *   `INVALID_ARGUMENT`, also for a cron expression that is invalid or never fires, or an unknown time zone
   */
  createSchedule<const T extends TaskReference>(schedule: ScheduleOptions<T>): Promise<ScheduleView> {
    return this.#schedules.create(defineSchedule(schedule))
  }

  /**
   * Changes the given fields. If the expression, time zone or `enabled` changes, the next tick is the first one from now.
   *
   * @throws TaskError `SCHEDULE_NOT_FOUND`, `UNKNOWN_TASK_TYPE`, `INVALID_PARAMS`, `INVALID_ARGUMENT`
   */
  updateSchedule<const T extends TaskReference>(
    name: string,
    changes: ScheduleChanges<T>,
  ): Promise<ScheduleView> {
    return this.#schedules.update(name, changes)
  }

  /** Deletes a schedule, but not its tasks. @throws TaskError `SCHEDULE_NOT_FOUND` */
  deleteSchedule(name: string): Promise<void> {
    return this.#schedules.delete(name)
  }

  /** Resolves to undefined if there is no such schedule. */
  getSchedule(name: string): Promise<ScheduleView | undefined> {
    return this.#schedules.find(name)
  }

  /** Lists all schedules, ordered by name. */
  listSchedules(): Promise<ScheduleView[]> {
    return this.#schedules.list()
  }

  /**
   * Creates a task of the schedule now, even if it is disabled. The next tick does not change.
   *
   * @throws TaskError `SCHEDULE_NOT_FOUND`, `UNKNOWN_TASK_TYPE`, `INVALID_PARAMS`
   */
  runSchedule(name: string, options: { createdBy?: string | null } = {}): Promise<CreatedTask> {
    return this.#schedules.run(name, options)
  }

  /** Inserts or updates the schedules that an app's code declares; see the plugin's option `schedules`. */
  declareSchedules(schedules: readonly ScheduleOptions[]): Promise<void> {
    return this.#schedules.declare(schedules)
  }
}
