import { createElement, Fragment, type ReactElement, StrictMode } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { createTasksClient, type TaskDetail } from '../../src/client/index.ts'
import {
  TaskProgress,
  TasksClientProvider,
  useTaskList,
  useTaskLogs,
  useTaskStatus,
} from '../../src/client/react/index.ts'

/** What a test does with the page, through `page.evaluate`. */
export interface HookPage {
  client: ReturnType<typeof createTasksClient>
  /** How often which callback was called, such as `A complete`. */
  calls: string[]
  /** A panel a name, each a component of its own. */
  show(
    panels: Record<string, string>,
    options?: { logs?: boolean; list?: boolean; pollIntervalMs?: number },
  ): void
  cancel(): Promise<TaskDetail>
}

const client = createTasksClient({ baseUrl: '/api/admin' })
const calls: string[] = []
let cancelLatest: (() => Promise<TaskDetail>) | undefined
let root: Root | undefined
/** The project's types are those of a server. */
const { body } = (globalThis as unknown as { document: { body: Parameters<typeof createRoot>[0] } }).document

function Panel({
  name,
  id,
  pollIntervalMs,
}: {
  name: string
  id: string
  pollIntervalMs?: number
}): ReactElement {
  const say = (what: string) => () => void calls.push(`${name} ${what}`)
  const status = useTaskStatus(id, {
    pollIntervalMs,
    onComplete: say('complete'),
    onFailed: say('failed'),
    onCancelled: say('cancelled'),
    onProgress: say('progress'),
  })
  cancelLatest = status.cancel
  const { task, isLoading, isError, error, isPolling, connection } = status
  const words = isError ? `error ${error?.message}` : isLoading ? 'loading' : `${task?.status}`
  return createElement(
    'section',
    { id: name, 'data-connection': connection, 'data-polling': isPolling },
    createElement('b', null, words),
    task && createElement(TaskProgress, { task }),
  )
}

function Log({ id }: { id: string }): ReactElement {
  const { lines } = useTaskLogs(id)
  return createElement('pre', null, lines.map(({ message }) => message).join('\n'))
}

function List(): ReactElement {
  const { tasks, connection } = useTaskList({ pageSize: 5 })
  const row = ({ taskId, status }: { taskId: string; status: string }) =>
    createElement('li', { key: taskId, id: `row-${taskId}` }, status)
  return createElement('ul', { 'data-connection': connection }, tasks.map(row))
}

const page: HookPage = {
  client,
  calls,
  show(panels, { logs = false, list = false, pollIntervalMs } = {}) {
    root ??= createRoot(body)
    const shown = Object.entries(panels).map(([name, id]) =>
      createElement(Fragment, { key: name }, [
        createElement(Panel, { key: 'panel', name, id, ...(pollIntervalMs ? { pollIntervalMs } : {}) }),
        logs && createElement(Log, { key: 'log', id }),
      ]),
    )
    root.render(
      createElement(
        StrictMode,
        null,
        createElement(TasksClientProvider, { client }, shown, list && createElement(List)),
      ),
    )
  },
  cancel: () => cancelLatest?.() ?? Promise.reject(new Error('nothing is shown')),
}

Object.assign(globalThis, { hookPage: page })
