import type { ErrorGroup, ErrorGroupQuery } from '../../contract/error-groups.ts'
import type { Health } from '../../contract/health.ts'
import {
  type Overview,
  type OverviewByType,
  type OverviewQuery,
  overviewByTypeQuery,
  overviewQuery,
} from '../../contract/overview.ts'
import type { ScheduleTicks, ScheduleView } from '../../contract/schedule.ts'
import {
  type ExecutorRuns,
  type ExecutorView,
  executorIdValue,
  type TaskTypeView,
} from '../../contract/task.ts'
import { actorOf, requireValid, runScheduleOptions } from '../create/arguments.ts'
import type { ManagerOptions } from '../create/manager-parts.ts'
import type { ActorOptions } from '../definition/actor.ts'
import type { CreatedTask } from '../definition/create-options.ts'
import type { TaskReference } from '../definition/task-reference.ts'
import { readTicks } from '../schedules/schedule-history.ts'
import { defineSchedule, type ScheduleChanges, type ScheduleOptions } from '../schedules/schedule-options.ts'
import type { Schedules } from '../schedules/schedules.ts'
import { listExecutors } from '../store/executors.ts'
import { readRuns } from '../store/runs.ts'
import type { AuditTrail } from './audit-trail.ts'
import { findErrorGroup, listErrorGroups, markErrorGroup } from './error-groups.ts'
import { readFleetHealth } from './fleet-health.ts'
import type { Overviews } from './overview.ts'
import { SharedRead } from './shared-read.ts'
import type { Statistics } from './statistics.ts'
import type { TaskTypes } from './task-types.ts'

interface FleetParts extends Pick<ManagerOptions, 'db' | 'findLocal'> {
  readonly schedules: Schedules
  readonly types: TaskTypes
  readonly audit: AuditTrail
  readonly overviews: Overviews
  readonly statistics: Statistics
}

/** The methods of `TaskManager` for task types, executors and schedules. */
export class FleetMethods {
  readonly #parts: FleetParts
  readonly #health: SharedRead<Health>
  readonly #ticks: SharedRead<ScheduleTicks[]>

  constructor(parts: FleetParts) {
    this.#parts = parts
    const { responseTimeoutMs } = parts.db
    this.#health = new SharedRead(() => readFleetHealth(parts), responseTimeoutMs)
    this.#ticks = new SharedRead(() => readTicks(parts.db), responseTimeoutMs)
  }

  /**
   * Returns what happened to tasks lately and what waits. A process adds what it counts every five seconds; one that is
   * killed loses the rest.
   *
   * @throws TaskError `INVALID_ARGUMENT`
   */
  async overview(query: OverviewQuery = {}): Promise<Overview> {
    const { range, taskType } = requireValid('overview query', overviewQuery, query)
    return this.#parts.overviews.read(range, taskType ?? null)
  }

  /** The same for each type. @throws TaskError `INVALID_ARGUMENT` */
  async overviewByType(query: Pick<OverviewQuery, 'range'> = {}): Promise<OverviewByType> {
    const { range } = requireValid('overview query', overviewByTypeQuery, query)
    return this.#parts.overviews.readByType(range)
  }

  /** Reports whether tasks run, in time and with success, and if not, why. Event loop and warnings are those of this process. */
  health(): Promise<Health> {
    return this.#health.get()
  }

  /**
   * Lists failures by type and message, at most 200 groups, the latest failure first. `errorGroup` of a list or a bulk
   * action selects the failed tasks of one.
   *
   * @throws TaskError `INVALID_ARGUMENT`
   */
  async listErrorGroups(query: ErrorGroupQuery = {}): Promise<ErrorGroup[]> {
    return listErrorGroups(this.#parts.db, query)
  }

  /** Resolves to undefined if there is no such group. */
  getErrorGroup(groupId: string): Promise<ErrorGroup | undefined> {
    return findErrorGroup(this.#parts.db, groupId)
  }

  /**
   * Marks an error group as seen, until it fails again after a day without failures.
   *
   * @throws TaskError `ERROR_GROUP_NOT_FOUND`
   */
  async markErrorGroupSeen(groupId: string, options: ActorOptions = {}): Promise<ErrorGroup> {
    const actor = actorOf('mark options', options)
    return this.#parts.audit.run({ actor, action: 'error.seen', subject: groupId }, (change) =>
      markErrorGroup(this.#parts.db, groupId, true, change),
    )
  }

  /** Removes the mark. @throws TaskError `ERROR_GROUP_NOT_FOUND` */
  async markErrorGroupUnseen(groupId: string, options: ActorOptions = {}): Promise<ErrorGroup> {
    const actor = actorOf('mark options', options)
    return this.#parts.audit.run({ actor, action: 'error.unseen', subject: groupId }, (change) =>
      markErrorGroup(this.#parts.db, groupId, false, change),
    )
  }

  /** Lists the types that this app has registered, with their defaults in this process, and whether they are paused. */
  listTaskTypes(): Promise<TaskTypeView[]> {
    return this.#parts.types.list()
  }

  /**
   * Pauses a type in all processes. Once this resolves, none of its tasks starts; running ones continue.
   *
   * @throws TaskError `UNKNOWN_TASK_TYPE` if neither this app nor any executor has registered the type, or `TASK_TYPE_BUSY`
   *   if an open transaction holds the type's row for longer than 0.7 s
   */
  async pauseTaskType(taskType: string, options: ActorOptions = {}): Promise<TaskTypeView> {
    const actor = actorOf('pause options', options)
    return this.#parts.audit.run({ actor, action: 'type.pause', subject: taskType }, (change) =>
      this.#parts.types.pause(taskType, change),
    )
  }

  /** Ends a pause. @throws TaskError `UNKNOWN_TASK_TYPE`, `TASK_TYPE_BUSY` as `pauseTaskType` */
  async resumeTaskType(taskType: string, options: ActorOptions = {}): Promise<TaskTypeView> {
    const actor = actorOf('resume options', options)
    return this.#parts.audit.run({ actor, action: 'type.resume', subject: taskType }, (change) =>
      this.#parts.types.resume(taskType, change),
    )
  }

  /** Lists executors with their slots, running tasks and the age of their heartbeats. */
  async listExecutors(): Promise<ExecutorView[]> {
    return (await listExecutors(this.#parts.db)).map(({ leaseMs: _leaseMs, ...view }) => view)
  }

  /**
   * Lists what an executor runs, and what it ran in the last 15 minutes. A process writes it every five seconds; one that
   * is killed loses the rest.
   *
   * @throws TaskError `INVALID_ARGUMENT`
   */
  async listExecutorRuns(executorId: string): Promise<ExecutorRuns> {
    return readRuns(this.#parts.db, requireValid('executor id', executorIdValue, executorId))
  }

  /**
   * Creates a schedule, which creates one task at each tick. At most 1,000 schedules exist.
   *
   * @throws TaskError `DUPLICATE_SCHEDULE`, `TOO_MANY_SCHEDULES`, `UNKNOWN_TASK_TYPE`, `INVALID_PARAMS`, or
   *   `INVALID_ARGUMENT`, also for a cron expression that is invalid or never fires, or an unknown time zone
   */
  async createSchedule<const T extends TaskReference>(
    schedule: ScheduleOptions<T>,
    options: ActorOptions = {},
  ): Promise<ScheduleView> {
    const actor = actorOf('schedule options', options)
    // Checked by what follows, since JavaScript may pass anything.
    const subject = (schedule as ScheduleOptions | undefined)?.name ?? null
    return this.#parts.audit.run({ actor, action: 'schedule.create', subject }, async (change) =>
      this.#parts.schedules.create(defineSchedule(schedule), change),
    )
  }

  /**
   * Changes the given fields. If the expression, time zone or `enabled` changes, the next tick is the first one from now.
   *
   * @throws TaskError `SCHEDULE_NOT_FOUND`, `UNKNOWN_TASK_TYPE`, `INVALID_PARAMS`, `INVALID_ARGUMENT`, or `SCHEDULE_BUSY` if
   *   an open transaction holds its row for longer than 0.7 s
   */
  async updateSchedule<const T extends TaskReference>(
    name: string,
    changes: ScheduleChanges<T>,
    options: ActorOptions = {},
  ): Promise<ScheduleView> {
    const actor = actorOf('schedule options', options)
    return this.#parts.audit.run({ actor, action: 'schedule.update', subject: name }, (change) =>
      this.#parts.schedules.update(name, changes, change),
    )
  }

  /** Deletes a schedule, but not its tasks. @throws TaskError `SCHEDULE_NOT_FOUND`, `SCHEDULE_BUSY` as `updateSchedule` */
  async deleteSchedule(name: string, options: ActorOptions = {}): Promise<void> {
    const actor = actorOf('schedule options', options)
    return this.#parts.audit.run({ actor, action: 'schedule.delete', subject: name }, (change) =>
      this.#parts.schedules.delete(name, change),
    )
  }

  /** Resolves to undefined if there is no such schedule. */
  getSchedule(name: string): Promise<ScheduleView | undefined> {
    return this.#parts.schedules.find(name)
  }

  /** Lists all schedules, ordered by name. */
  listSchedules(): Promise<ScheduleView[]> {
    return this.#parts.schedules.list()
  }

  /** Lists what each schedule did at its newest ticks, and its next ticks. Refreshed at most once a second. */
  listScheduleTicks(): Promise<ScheduleTicks[]> {
    return this.#ticks.get()
  }

  /**
   * Creates a task of the schedule now, even if it is disabled. The next tick does not change.
   *
   * @throws TaskError `SCHEDULE_NOT_FOUND`, `UNKNOWN_TASK_TYPE`, `INVALID_PARAMS`
   */
  async runSchedule(
    name: string,
    options: ActorOptions & { createdBy?: string | null } = {},
  ): Promise<CreatedTask> {
    const { createdBy = null } = requireValid('schedule run options', runScheduleOptions, options)
    const { actor } = options
    return this.#parts.audit.run({ actor, action: 'schedule.run', subject: name }, (change) =>
      this.#parts.schedules.run(name, createdBy, change),
    )
  }

  /** Inserts or updates the schedules that an app's code declares; see the plugin's option `schedules`. */
  declareSchedules(schedules: readonly ScheduleOptions[]): Promise<void> {
    return this.#parts.schedules.declare(schedules)
  }
}
