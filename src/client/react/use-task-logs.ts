import { useMemo } from 'react'
import type { LogLevel, TaskLogLine } from '../../contract/task.ts'
import { checkOptions } from '../check-options.ts'
import type { WatchConnection } from '../watch.ts'
import { useTaskSnapshot } from './use-task-snapshot.ts'

const LEVELS: readonly LogLevel[] = ['DEBUG', 'INFO', 'WARNING', 'ERROR']

export interface UseTaskLogsOptions {
  /** False: nothing is asked for. Default true. */
  enabled?: boolean | undefined
  /** Only lines of this level and above. Default all. */
  minLevel?: LogLevel | undefined
  /** Where streams do not work. Default 1,000 ms. */
  pollIntervalMs?: number | undefined
}

export interface TaskLogsResult {
  /** Oldest first; the newest 5,000. */
  lines: readonly TaskLogLine[]
  /** How many older lines are not kept any more. */
  linesDropped: number
  isError: boolean
  error: Error | undefined
  connection: WatchConnection | 'idle'
}

/** A task's log as it is written, over the same connection as `useTaskStatus` of that task. */
export function useTaskLogs(
  taskId: string | null | undefined,
  options: UseTaskLogsOptions = {},
): TaskLogsResult {
  checkOptions('useTaskLogs', options, ['enabled', 'minLevel', 'pollIntervalMs'])
  const { enabled = true, minLevel = 'DEBUG', pollIntervalMs } = options
  const wanted = enabled && taskId ? taskId : undefined
  const { lines, linesDropped, error, connection } = useTaskSnapshot(wanted, { logs: true, pollIntervalMs })
  const shown = useMemo(() => {
    const min = LEVELS.indexOf(minLevel)
    return min <= 0 ? lines : lines.filter(({ level }) => LEVELS.indexOf(level) >= min)
  }, [lines, minLevel])
  return { lines: shown, linesDropped, isError: error !== undefined, error, connection }
}
