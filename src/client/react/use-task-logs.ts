import { useMemo } from 'react'
import type { LogLevel, TaskLogLine } from '../../contract/task.ts'
import { checkOptions } from '../check-options.ts'
import type { WatchConnection } from '../follow.ts'
import { useTaskSnapshot } from './use-task-snapshot.ts'

const LEVELS: readonly LogLevel[] = ['DEBUG', 'INFO', 'WARNING', 'ERROR']

/** Options of `useTaskLogs`. */
export interface UseTaskLogsOptions {
  /** False: loads nothing. Default true. */
  enabled?: boolean | undefined
  /** Lowest level to show. Default `DEBUG`: all lines. */
  minLevel?: LogLevel | undefined
  /** Milliseconds between polls, if streams are blocked. Default 1,000. */
  pollIntervalMs?: number | undefined
}

/** What `useTaskLogs` returns. */
export interface TaskLogsResult {
  /** The newest 5,000 lines, oldest first. */
  lines: readonly TaskLogLine[]
  /** Number of older lines that are no longer in `lines`. */
  linesDropped: number
  /** Whether `error` is set. */
  isError: boolean
  /** Why the log is missing or no longer followed. */
  error: Error | undefined
  /** `lost` while the server is unreachable and lines may be missing; `idle` while nothing is followed. */
  connection: WatchConnection | 'idle'
}

/** A task's live log. It shares the connection of `useTaskStatus` for the same task. */
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
