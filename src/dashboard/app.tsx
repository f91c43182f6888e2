import { useEffect } from 'react'
import { api } from './api.ts'
import { Header } from './components/header.tsx'
import { Shortcuts } from './components/shortcuts.tsx'
import { Toasts } from './components/toasts.tsx'
import { useText } from './i18n/text.ts'
import { LoginPage } from './pages/login-page.tsx'
import { NewTaskPage } from './pages/new-task/new-task-page.tsx'
import { SchedulesPage } from './pages/schedules/schedules-page.tsx'
import { TaskPage } from './pages/task/task-page.tsx'
import { TasksPage } from './pages/tasks/tasks-page.tsx'
import { TypesPage } from './pages/types-page.tsx'
import { HAS_LOGIN } from './settings.ts'
import { useRoute } from './state/route.ts'
import { ServerStateProvider } from './state/server-state.tsx'
import { connection, session } from './state/session.ts'
import { useStore } from './state/store.ts'

export function App() {
  const state = useStore(session)
  useEffect(() => {
    if (state !== 'unknown') return
    // Where there is no log-in to ask, the first reading says whether anybody is in.
    if (!HAS_LOGIN) return session.set('in')
    return askWhoIsIn()
  }, [state])
  return (
    <>
      <ConnectionBanner />
      {state === 'in' && <Pages />}
      {state === 'out' && <LoginPage />}
      <Toasts />
    </>
  )
}

/** Until there is an answer: a page that was open before the server came up goes on by itself. */
function askWhoIsIn(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let isOver = false
  const ask = async () => {
    try {
      await api.me()
      session.set('in')
    } catch {
      // Answered 401: the session is out by now. Anything else: ask again.
      if (!isOver && session.value === 'unknown') timer = setTimeout(() => void ask(), 1_000)
    }
  }
  void ask()
  return () => {
    isOver = true
    clearTimeout(timer)
  }
}

function Pages() {
  const text = useText()
  const { view, params } = useRoute()
  return (
    <ServerStateProvider>
      <a className="skip" href="#content">
        {text.app.skip}
      </a>
      <Header view={view} />
      <Shortcuts view={view} />
      <main id="content" tabIndex={-1}>
        {view === 'tasks' && <TasksPage params={params} />}
        {view === 'task' && <TaskPage key={params.get('task')} taskId={params.get('task') ?? ''} />}
        {view === 'new' && <NewTaskPage key={params.get('from')} params={params} />}
        {view === 'types' && <TypesPage />}
        {view === 'schedules' && <SchedulesPage />}
      </main>
    </ServerStateProvider>
  )
}

function ConnectionBanner() {
  const text = useText()
  const state = useStore(connection)
  return (
    <div role="status" aria-live="polite">
      {state === 'lost' && (
        <div className="banner">
          <span className="pulse" aria-hidden="true" />
          {text.app.connectionLost}
        </div>
      )}
    </div>
  )
}
