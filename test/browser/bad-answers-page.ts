import { createElement, Fragment, type ReactElement, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createTasksClient } from '../../src/client/index.ts'
import { TasksClientProvider, useTaskList, useTaskLogs, useTaskStatus } from '../../src/client/react/index.ts'

/** What each panel shows, and how often it was called back, by the panel's key. */
export interface BadAnswersPage {
  pictures: Record<string, string>
  completions: Record<string, number>
  show(panels: readonly { key: string; hook: 'status' | 'logs' | 'list'; baseUrl: string }[]): void
}

const pictures: Record<string, string> = {}
const completions: Record<string, number> = {}
const { document } = globalThis as unknown as { document: { body: Parameters<typeof createRoot>[0] } }

function Status({ name }: { name: string }): ReactElement {
  const { task } = useTaskStatus('task_1', {
    onComplete: () => {
      completions[name] = (completions[name] ?? 0) + 1
    },
  })
  pictures[name] = task?.status ?? ''
  return createElement('i', null, pictures[name])
}

function Logs({ name }: { name: string }): ReactElement {
  const { lines } = useTaskLogs('task_1')
  pictures[name] = lines.map(({ message }) => message).join()
  return createElement('i', null, pictures[name])
}

function List({ name }: { name: string }): ReactElement {
  const { tasks } = useTaskList({ createdAfter: new Date(Date.now() - 3_600_000) })
  pictures[name] = tasks.map(({ status }) => status).join()
  return createElement('i', null, pictures[name])
}

const HOOKS = { status: Status, logs: Logs, list: List }

const page: BadAnswersPage = {
  pictures,
  completions,
  show(panels) {
    const children = panels.map(({ key, hook, baseUrl }) =>
      createElement(
        TasksClientProvider,
        { key, client: createTasksClient({ baseUrl, credentials: 'omit' }) },
        createElement(HOOKS[hook], { name: key }),
      ),
    )
    createRoot(document.body).render(createElement(StrictMode, null, createElement(Fragment, null, children)))
  },
}
Object.assign(globalThis, { badAnswersPage: page })
