import { useQuery } from '@tanstack/react-query'
import { useEffect, useReducer, useRef } from 'react'
import {
  type TaskDetail,
  type TaskLogLine,
  type TaskStep,
  type TaskSummary,
  TasksApiError,
} from '../../../client/index.ts'
import type { TaskStreamEvent } from '../../../contract/events.ts'
import { client } from '../../client.ts'
import { every, queryClient } from '../../state/queries.ts'
import { useChanges, useEndedTask } from '../../state/server-state.tsx'
import { useVisible } from '../../state/use-visible.ts'
import { newestOfEachLevel, readEnd } from './lines.ts'

/** Lines join the page in batches: a handler may log thousands a second. */
const BATCH_MS = 100
/** As many as a detail shows. */
const MAX_STEPS = 1_000
const STOPPING_POLL_MS = 1_000

export interface TaskFeed {
  readonly task: TaskDetail | undefined
  readonly error: TasksApiError | null
  /** The newest lines when the page was opened, oldest first; undefined: not read yet. */
  readonly end: readonly TaskLogLine[] | undefined
  /** Lines that joined since, oldest first. */
  readonly fresh: readonly TaskLogLine[]
  /** Takes over the response of an action. */
  readonly put: (task: TaskDetail) => void
}

const keyOf = (taskId: string) => ['task', taskId]

/** One task and its log, live. The stream ends with the task and is opened again when somebody retries it. */
export function useTaskFeed(taskId: string): TaskFeed {
  const { endedTask, setEndedTask } = useEndedTask()
  // All of its log has come, and nothing more is to come but by a retry.
  const hasEnded = endedTask === taskId
  const read = useQuery({
    queryKey: keyOf(taskId),
    queryFn: ({ signal }) => client.getTask(taskId, { signal }),
    // The stream has ended with the task; its handler may return later.
    refetchInterval: (query) =>
      hasEnded && query.state.data?.stopping === true && every(STOPPING_POLL_MS)(query),
  })
  const { data: task } = read
  const end = useQuery({
    queryKey: ['end of log', taskId],
    queryFn: ({ signal }) => readEnd(taskId, '', signal),
    staleTime: 'static',
    gcTime: 0,
  }).data
  const isWanted = !hasEnded && task !== undefined && end !== undefined
  const fresh = useTaskStream(taskId, { isWanted, afterId: end?.at(-1)?.id ?? 0, setEndedTask })
  const goesOn = hasEnded && task !== undefined && isActive(task)
  useEffect(() => {
    if (goesOn) setEndedTask(undefined)
  }, [goesOn, setEndedTask])
  useEffect(() => () => setEndedTask(undefined), [setEndedTask])
  useChanges((change) => {
    if (!hasEnded) return
    if (change.type === 'task' && change.task.taskId === taskId && isAnother(task, change.task)) {
      setEndedTask(undefined)
    }
    const mayBeGone = change.type === 'deleted' && change.taskId === taskId
    if (change.type === 'reconnected' || mayBeGone) void read.refetch()
  })
  return { task, error: read.error ?? read.failureReason, end, fresh, put }
}

function put(task: TaskDetail): void {
  take(task.taskId, () => task)
}

/** An event is newer than what is being read. */
function take(taskId: string, change: (task: TaskDetail | undefined) => TaskDetail | undefined): void {
  const queryKey = keyOf(taskId)
  void queryClient.cancelQueries({ queryKey })
  queryClient.setQueryData(queryKey, change)
}

/** The lines after one, oldest first. */
function useTaskStream(
  taskId: string,
  options: { isWanted: boolean; afterId: number; setEndedTask: (taskId: string) => void },
): readonly TaskLogLine[] {
  const { isWanted, afterId, setEndedTask } = options
  const isVisible = useVisible()
  const [fresh, addLines] = useReducer(
    (before: readonly TaskLogLine[], lines: readonly TaskLogLine[]) =>
      newestOfEachLevel([...before, ...lines]),
    [],
  )
  const lastId = useRef<number>(undefined)
  useEffect(() => {
    if (!isVisible || !isWanted) return
    const ended = new AbortController()
    const lines = new Batch(addLines)
    const onEvent = (event: TaskStreamEvent) => {
      if (event.type === 'log') {
        lastId.current = event.line.id
        lines.add(event.line)
      } else if (event.type === 'step') {
        take(taskId, (task) => task && withStep(task, event.step))
      } else {
        put(event.task)
      }
      if (event.type !== 'end') return
      lines.flush()
      setEndedTask(taskId)
    }
    void follow(taskId, lastId.current ?? afterId, onEvent, ended.signal)
    return () => {
      ended.abort()
      lines.flush()
    }
  }, [taskId, isVisible, isWanted, afterId, setEndedTask])
  return fresh
}

/** The task goes on, or has gone on and ended again. */
function isAnother(shown: TaskDetail | undefined, task: TaskSummary): boolean {
  const endOf = (one: TaskSummary) => (one.completedAt ?? one.cancelledAt)?.getTime()
  return shown === undefined || task.status !== shown.status || endOf(task) !== endOf(shown)
}

export function isActive({ status }: Pick<TaskDetail, 'status'>): boolean {
  return status === 'pending' || status === 'running'
}

function withStep(task: TaskDetail, step: TaskStep): TaskDetail {
  if (task.steps.some(({ name, attempt }) => name === step.name && attempt === step.attempt)) return task
  return { ...task, steps: [...task.steps, step].slice(-MAX_STEPS), stepCount: task.stepCount + 1 }
}

async function follow(
  taskId: string,
  afterId: number,
  onEvent: (event: TaskStreamEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const event of client.watch(taskId, { afterId, signal })) onEvent(event)
  } catch (error) {
    if (signal.aborted) return
    if (!(error instanceof TasksApiError)) throw error
    // The request for the task fails for the same reason, which is shown there.
    void queryClient.invalidateQueries({ queryKey: keyOf(taskId) })
  }
}

class Batch {
  readonly #send: (lines: readonly TaskLogLine[]) => void
  #lines: TaskLogLine[] = []
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(send: (lines: readonly TaskLogLine[]) => void) {
    this.#send = send
  }

  add(line: TaskLogLine): void {
    this.#lines.push(line)
    this.#timer ??= setTimeout(() => this.flush(), BATCH_MS)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#lines.length === 0) return
    this.#send(this.#lines)
    this.#lines = []
  }
}
