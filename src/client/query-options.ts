import type { TaskDetail } from '../contract/task.ts'
import { checkOptions } from './check-options.ts'
import type { TasksClient } from './client.ts'
import { isFinished } from './watch.ts'

/** What TanStack Query needs to poll a task until it has ended: `useQuery(taskStatusQueryOptions(client, id))`. */
export function taskStatusQueryOptions(
  client: TasksClient,
  taskId: string,
  options: { pollIntervalMs?: number } = {},
) {
  checkOptions('taskStatusQueryOptions', options, ['pollIntervalMs'])
  const { pollIntervalMs = 1_000 } = options
  return {
    queryKey: ['fastify-async-tasks', 'task', taskId] as const,
    queryFn: ({ signal }: { signal: AbortSignal }): Promise<TaskDetail> => client.getTask(taskId, { signal }),
    refetchInterval: (query: { state: { data?: TaskDetail | undefined } }): number | false => {
      const { data } = query.state
      return data && isFinished(data) ? false : pollIntervalMs
    },
  }
}
