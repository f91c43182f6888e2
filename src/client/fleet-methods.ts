import type { ErrorGroup, ErrorGroupQuery } from '../contract/error-group-views.ts'
import type { Health } from '../contract/health-views.ts'
import type { Overview, OverviewByType, OverviewQuery } from '../contract/overview-views.ts'
import type { TaskStats } from '../contract/stats.ts'
import type { ExecutorRuns, ExecutorView, TaskTypeView } from '../contract/task.ts'
import { AccountMethods } from './account-methods.ts'
import {
  decodeErrorGroup,
  decodeErrorGroups,
  decodeExecutorRuns,
  decodeExecutors,
  decodeOverview,
  decodeStats,
  decodeType,
  decodeTypes,
  requireObject,
} from './decode.ts'
import { groupPath } from './paths.ts'
import type { CallOptions, Requester } from './request.ts'

/** Of a client: figures, health, groups of errors, task types and executors. */
export class FleetMethods extends AccountMethods {
  readonly #requester: Requester

  constructor(requester: Requester) {
    super(requester)
    this.#requester = requester
  }

  /** Counts tasks by status and type, and finished tasks per minute of the last hour. */
  async getStats(options?: CallOptions): Promise<TaskStats> {
    return decodeStats(await this.#requester.json('GET', '/tasks/stats', options))
  }

  /** Reads what happened to tasks in the last hour, day or week, and what waits. */
  async getOverview(query: OverviewQuery = {}, options?: CallOptions): Promise<Overview> {
    return decodeOverview(await this.#requester.json('GET', '/overview', { ...options, query: { ...query } }))
  }

  /** Reads the same type by type. */
  async getOverviewByType(
    query: Pick<OverviewQuery, 'range'> = {},
    options?: CallOptions,
  ): Promise<OverviewByType> {
    return requireObject(
      await this.#requester.json('GET', '/overview/types', { ...options, query: { ...query } }),
    )
  }

  /** Reads whether tasks run, in time and with success, and if not, why. */
  async getHealth(options?: CallOptions): Promise<Health> {
    return requireObject(await this.#requester.json('GET', '/health', options))
  }

  /** Lists failures by type and message, at most 200 groups, the latest failure first. */
  async listErrorGroups(query: ErrorGroupQuery = {}, options?: CallOptions): Promise<ErrorGroup[]> {
    return decodeErrorGroups(
      await this.#requester.json('GET', '/error-groups', { ...options, query: { ...query } }),
    ).errorGroups
  }

  /** @throws TasksApiError `ERROR_GROUP_NOT_FOUND` */
  async getErrorGroup(groupId: string, options?: CallOptions): Promise<ErrorGroup> {
    return decodeErrorGroup(await this.#requester.json('GET', groupPath(groupId), options))
  }

  /** Marks it as seen, until it fails again after a day without failures. @throws TasksApiError `ERROR_GROUP_NOT_FOUND` */
  async markErrorGroupSeen(groupId: string, options?: CallOptions): Promise<ErrorGroup> {
    return decodeErrorGroup(await this.#requester.json('POST', `${groupPath(groupId)}/seen`, options))
  }

  /** Removes the mark. @throws TasksApiError `ERROR_GROUP_NOT_FOUND` */
  async markErrorGroupUnseen(groupId: string, options?: CallOptions): Promise<ErrorGroup> {
    return decodeErrorGroup(await this.#requester.json('POST', `${groupPath(groupId)}/unseen`, options))
  }

  /** Lists the registered types with their defaults and the JSON Schema of their params. */
  async listTaskTypes(options?: CallOptions): Promise<TaskTypeView[]> {
    return decodeTypes(await this.#requester.json('GET', '/task-types', options)).taskTypes
  }

  /** Pauses a type: none of its tasks starts; running ones continue. @throws TasksApiError `UNKNOWN_TASK_TYPE`, `TASK_TYPE_BUSY` */
  async pauseTaskType(taskType: string, options?: CallOptions): Promise<TaskTypeView> {
    return decodeType(
      await this.#requester.json('POST', `/task-types/${encodeURIComponent(taskType)}/pause`, options),
    )
  }

  /** Ends a pause. @throws TasksApiError `UNKNOWN_TASK_TYPE`, `TASK_TYPE_BUSY` */
  async resumeTaskType(taskType: string, options?: CallOptions): Promise<TaskTypeView> {
    return decodeType(
      await this.#requester.json('POST', `/task-types/${encodeURIComponent(taskType)}/resume`, options),
    )
  }

  /** Lists executors with their slots, running tasks and the age of their heartbeats. */
  async listExecutors(options?: CallOptions): Promise<ExecutorView[]> {
    return decodeExecutors(await this.#requester.json('GET', '/executors', options)).executors
  }

  /** Lists what an executor runs, and what it ran in the last 15 minutes. */
  async listExecutorRuns(executorId: string, options?: CallOptions): Promise<ExecutorRuns> {
    const path = `/executors/${encodeURIComponent(executorId)}/runs`
    return decodeExecutorRuns(await this.#requester.json('GET', path, options))
  }
}
