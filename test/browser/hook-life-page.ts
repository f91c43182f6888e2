import { createElement, type ReactElement, StrictMode } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { createTasksClient } from '../../src/client/index.ts'
import { TasksClientProvider, useTaskList, useTaskStatus } from '../../src/client/react/index.ts'

/** A page whose components come and go as a test says. */
export interface HookLifePage {
  /** Renders so many status and list components; `enabled` goes to the lists, `other` names another client. */
  show(wanted: { statuses?: number; lists?: number; enabled?: boolean; other?: boolean }): void
  hide(hidden: boolean): void
  /** Starts a call and returns at once; `calls` has its outcome. */
  start(call: 'refetch' | 'cancel' | 'refetchList'): void
  /** Each status that was shown, and each callback. */
  seen: string[]
  lists: string[]
}

const own = createTasksClient({ baseUrl: '/api/admin' })
const others = createTasksClient({ baseUrl: '/api/admin/other' })
const seen: string[] = []
const lists: string[] = []
const calls: { refetch?: () => unknown; cancel?: () => unknown; refetchList?: () => unknown } = {}
const { document } = globalThis as unknown as {
  document: EventTarget & { body: Parameters<typeof createRoot>[0] }
}
let root: Root | undefined

function Status(): ReactElement {
  const { task, refetch, cancel } = useTaskStatus('task_1', {
    onComplete: () => seen.push('onComplete'),
    onCancelled: () => seen.push('onCancelled'),
  })
  const shown = task?.status ?? 'loading'
  if (seen.findLast((word) => !word.startsWith('on')) !== shown) seen.push(shown)
  Object.assign(calls, { refetch, cancel })
  return createElement('i', null, shown)
}

function List({ index, enabled }: { index: number; enabled: boolean }): ReactElement {
  const { tasks, isLoading, error, refetch } = useTaskList({}, { enabled })
  lists[index] = isLoading
    ? 'loading'
    : error
      ? `error ${error.message}`
      : tasks.map(({ status }) => status).join()
  calls.refetchList = refetch
  return createElement('i', null, lists[index])
}

const page: HookLifePage = {
  seen,
  lists,
  show({ statuses = 0, lists: count = 0, enabled = true, other = false }) {
    root ??= createRoot(document.body)
    const client = other ? others : own
    const children = [
      ...Array.from({ length: statuses }, (_, index) => createElement(Status, { key: `s${index}` })),
      ...Array.from({ length: count }, (_, index) =>
        createElement(List, { key: `l${index}`, index, enabled }),
      ),
    ]
    root.render(createElement(StrictMode, null, createElement(TasksClientProvider, { client }, children)))
  },
  hide(hidden) {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  },
  start(call) {
    Promise.resolve(calls[call]?.()).then(
      () => seen.push(`on${call}`),
      (error: Error) => seen.push(`on${call} ${error.message}`),
    )
  },
}
Object.assign(globalThis, { hookLifePage: page })
