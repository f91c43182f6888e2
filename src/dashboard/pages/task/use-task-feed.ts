import { useCallback, useEffect, useReducer, useRef } from 'react'
import {
  type TaskDetail,
  type TaskLogLine,
  type TaskStep,
  type TaskSummary,
  TasksApiError,
} from '../../../client/index.ts'
import { client } from '../../client.ts'
import { useChanges, useServerState } from '../../state/server-state.tsx'
import { useVisible } from '../../state/use-visible.ts'
import { MAX_LINES } from './lines.ts'

/** Lines join the page in batches: a handler may say thousands a second. */
const BATCH_MS = 100
/** As many as a detail shows. */
const MAX_STEPS = 1_000
const STOPPING_POLL_MS = 1_000

export interface TaskFeed {
  readonly task: TaskDetail | undefined
  readonly error: TasksApiError | undefined
  /** Lines that joined since the page looks, oldest first. */
  readonly fresh: readonly TaskLogLine[]
  /** Takes over what an action has answered. */
  readonly put: (task: TaskDetail) => void
}

interface State {
  readonly task: TaskDetail | undefined
  readonly error: TasksApiError | undefined
  readonly fresh: readonly TaskLogLine[]
}

type News =
  | { type: 'task' | 'end'; task: TaskDetail }
  | { type: 'step'; step: TaskStep }
  | { type: 'lines'; lines: readonly TaskLogLine[] }
  | { type: 'error'; error: TasksApiError }

const START: State = { task: undefined, error: undefined, fresh: [] }

/** One task and its log, live. The stream ends with the task and is opened again when somebody retries it. */
export function useTaskFeed(taskId: string): TaskFeed {
  const [state, add] = useReducer(reduce, START)
  const { endedTask, setEndedTask } = useServerState()
  // All of its log has come, and nothing more is to come but by a retry.
  const hasEnded = endedTask === taskId
  const latest = useRef<(news: News) => void>(add)
  latest.current = (news) => {
    add(news)
    if (news.type === 'end') setEndedTask(taskId)
    else if (news.type === 'task' && hasEnded && isActive(news.task)) setEndedTask(undefined)
  }
  const tell = useCallback((news: News) => latest.current(news), [])
  const isVisible = useVisible()
  const lastId = useRef<number>(undefined)

  useEffect(() => {
    if (!isVisible || hasEnded) return
    const ended = new AbortController()
    void follow(taskId, lastId, tell, ended.signal)
    return () => ended.abort()
  }, [taskId, isVisible, hasEnded, tell])

  // The stream has ended with the task; its handler may return later.
  const isStopping = hasEnded && isVisible && state.task?.stopping === true
  useEffect(() => {
    if (!isStopping) return
    const ended = new AbortController()
    void awaitStop(taskId, tell, ended.signal)
    return () => ended.abort()
  }, [taskId, isStopping, tell])

  useEffect(() => () => setEndedTask(undefined), [setEndedTask])
  useChanges((change) => {
    if (!hasEnded) return
    if (change.type === 'task' && change.task.taskId === taskId && isAnother(state.task, change.task)) {
      setEndedTask(undefined)
    }
    const mayBeGone = change.type === 'deleted' && change.taskId === taskId
    if (change.type === 'reconnected' || mayBeGone) void reread(taskId, tell)
  })
  return { ...state, put: (task) => tell({ type: 'task', task }) }
}

/** The task goes on, or has gone on and ended again. */
function isAnother(shown: TaskDetail | undefined, task: TaskSummary): boolean {
  const endOf = (one: TaskSummary) => (one.completedAt ?? one.cancelledAt)?.getTime()
  return shown === undefined || task.status !== shown.status || endOf(task) !== endOf(shown)
}

export function isActive({ status }: Pick<TaskDetail, 'status'>): boolean {
  return status === 'pending' || status === 'running'
}

function reduce(state: State, news: News): State {
  switch (news.type) {
    case 'task':
    case 'end':
      return { ...state, task: news.task, error: undefined }
    case 'step':
      return { ...state, task: state.task && withStep(state.task, news.step) }
    case 'lines':
      return { ...state, fresh: [...state.fresh, ...news.lines].slice(-MAX_LINES) }
    case 'error':
      return { ...state, error: news.error }
  }
}

function withStep(task: TaskDetail, step: TaskStep): TaskDetail {
  if (task.steps.some(({ name, attempt }) => name === step.name && attempt === step.attempt)) return task
  return { ...task, steps: [...task.steps, step].slice(-MAX_STEPS), stepCount: task.stepCount + 1 }
}

async function follow(
  taskId: string,
  lastId: { current: number | undefined },
  tell: (news: News) => void,
  signal: AbortSignal,
): Promise<void> {
  const lines = new Batch((batch) => tell({ type: 'lines', lines: batch }))
  try {
    lastId.current ??= await findNewestLine(taskId, signal)
    for await (const event of client.watch(taskId, { afterId: lastId.current, signal })) {
      if (event.type === 'log') {
        lastId.current = event.line.id
        lines.add(event.line)
      } else {
        if (event.type === 'end') lines.flush()
        tell(event)
      }
    }
  } catch (error) {
    if (signal.aborted) return
    if (!(error instanceof TasksApiError)) throw error
    tell({ type: 'error', error })
  } finally {
    lines.flush()
  }
}

/** What changed while no stream was open, or what the stream of all tasks tells in short. */
async function reread(taskId: string, tell: (news: News) => void): Promise<void> {
  try {
    tell({ type: 'task', task: await client.getTask(taskId) })
  } catch (error) {
    if (!(error instanceof TasksApiError)) throw error
    if (!error.isTransient) tell({ type: 'error', error })
  }
}

async function awaitStop(taskId: string, tell: (news: News) => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      tell({ type: 'task', task: await client.getTask(taskId, { signal }) })
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof TasksApiError)) throw error
      if (!error.isTransient) return tell({ type: 'error', error })
    }
    await new Promise((resolve) => setTimeout(resolve, STOPPING_POLL_MS))
  }
}

/** The log shows what was before; only what comes after it is streamed. Of a task that is not there, no log is asked. */
async function findNewestLine(taskId: string, signal: AbortSignal): Promise<number> {
  await client.getTask(taskId, { signal })
  const { logs } = await client.listLogs(taskId, { order: 'desc', pageSize: 1 }, { signal })
  return logs[0]?.id ?? 0
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
