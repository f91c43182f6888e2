import { createTasksClient } from 'fastify-async-tasks/client'
import {
  TaskProgress,
  TasksClientProvider,
  useTaskList,
  useTaskLogs,
  useTaskStatus,
} from 'fastify-async-tasks/react'
import { useState } from 'react'
import { createRoot } from 'react-dom/client'
import type { importContacts } from '../tasks.ts'

const client = createTasksClient<[typeof importContacts]>({ baseUrl: '/api/admin' })

function App() {
  const [taskId, setTaskId] = useState<string>()
  const [problem, setProblem] = useState('')

  async function start(form: FormData): Promise<void> {
    const addresses = String(form.get('addresses')).split(/\s+/).filter(Boolean)
    const headers = { 'content-type': 'application/json' }
    const response = await fetch('/imports', { method: 'POST', headers, body: JSON.stringify({ addresses }) })
    const answer = await response.json()
    setProblem(response.ok ? '' : answer.message)
    if (response.ok) setTaskId(answer.taskId)
  }

  return (
    <main>
      <h1>Import contacts</h1>
      <form action={start}>
        <textarea
          name="addresses"
          aria-label="Addresses"
          rows={6}
          defaultValue={'ada@example.com\nnobody\ngrace@example.com'}
        />
        <button type="submit">Import</button>
      </form>
      {problem && <p role="alert">{problem}</p>}
      {taskId && <Import key={taskId} taskId={taskId} />}
      <History />
    </main>
  )
}

/** One import, live: the first render shows what is known, and each change of the task another. */
function Import({ taskId }: { taskId: string }) {
  const { task, error, cancel } = useTaskStatus(taskId)
  const { lines } = useTaskLogs(taskId)
  if (error) return <p role="alert">{error.message}</p>
  if (!task) return <p>…</p>
  return (
    <section aria-label="Import">
      <TaskProgress task={task} label="Import" />
      {(task.status === 'pending' || task.status === 'running') && (
        <button type="button" onClick={() => void cancel()}>
          Cancel
        </button>
      )}
      <pre>{lines.map(({ level, message }) => `${level} ${message}`).join('\n')}</pre>
      <p role="status">
        {task.status}
        {task.status === 'completed' && `: ${JSON.stringify(task.result)}`}
      </p>
    </section>
  )
}

function History() {
  const { tasks, isLoading } = useTaskList({ pageSize: 10 })
  if (tasks.length === 0) return <p>{isLoading ? '…' : 'No imports yet'}</p>
  return (
    <ol aria-label="My imports">
      {tasks.map(({ taskId, status, percent, createdAt }) => (
        <li key={taskId}>
          {createdAt.toLocaleTimeString()}: {status}, {percent} %
        </li>
      ))}
    </ol>
  )
}

const root = document.getElementById('root')
if (root)
  createRoot(root).render(
    <TasksClientProvider client={client}>
      <App />
    </TasksClientProvider>,
  )
