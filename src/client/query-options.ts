import type { TaskDetail } from '../contract/task.ts'
import { checkOptions } from './check-options.ts'
import type { AnyTasksClient } from './client.ts'
import { failureWaitMs, isFinal } from './errors.ts'
import { isFinished } from './watch.ts'

/** TanStack Query has its own back-off for the first failures; after them the longest wait is due. */
const MANY = 10

/** The part of TanStack Query's query that decides on the next poll. */
interface QueryState {
  /** What the query has read so far. */
  state: {
    /** The task; undefined until it was read. */
    data?: TaskDetail | undefined
    /** The error of the latest read. */
    error?: Error | null
  }
}

/**
 * Options for TanStack Query that poll a task until it has ended: `useQuery(taskStatusQueryOptions(client, id))`.
 *
 * @param options `pollIntervalMs`: milliseconds between polls. Default 1,000
 */
export function taskStatusQueryOptions(
  client: AnyTasksClient,
  taskId: string,
  options: { pollIntervalMs?: number } = {},
) {
  checkOptions('taskStatusQueryOptions', options, ['pollIntervalMs'])
  const { pollIntervalMs = 1_000 } = options
  return {
    queryKey: ['fastify-async-tasks', 'task', taskId] as const,
    queryFn: ({ signal }: { signal: AbortSignal }): Promise<TaskDetail> => client.getTask(taskId, { signal }),
    // What is final, such as 404 for a task that is gone, is asked once.
    retry: (failures: number, error: Error): boolean => failures < 3 && !isFinal(error),
    refetchInterval: (query: QueryState): number | false => {
      const { data, error } = query.state
      if (isFinal(error) || (data && isFinished(data))) return false
      return error ? Math.max(pollIntervalMs, failureWaitMs(error, MANY)) : pollIntervalMs
    },
  }
}
