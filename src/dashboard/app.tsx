import { QueryClientProvider } from '@tanstack/react-query'
import { Header } from './components/header.tsx'
import { Shortcuts } from './components/shortcuts.tsx'
import { Toasts } from './components/toasts.tsx'
import { useText } from './i18n/text.ts'
import { AccountPage } from './pages/account/account-page.tsx'
import { ActivityPage } from './pages/activity/activity-page.tsx'
import { ErrorsPage } from './pages/errors/errors-page.tsx'
import { ExecutorsPage } from './pages/executors/executors-page.tsx'
import { LoginPage } from './pages/login-page.tsx'
import { NewTaskPage } from './pages/new-task/new-task-page.tsx'
import { OverviewPage } from './pages/overview/overview-page.tsx'
import { SchedulesPage } from './pages/schedules/schedules-page.tsx'
import { TaskPage } from './pages/task/task-page.tsx'
import { TypesPage } from './pages/task-types/types-page.tsx'
import { TasksPage } from './pages/tasks/tasks-page.tsx'
import { HAS_LOGIN } from './settings.ts'
import { queryClient } from './state/queries.ts'
import { useRoute } from './state/route.ts'
import { ForChanges, StreamProvider } from './state/server-state.tsx'
import { connection, session } from './state/session.ts'
import { useStore } from './state/store.ts'

export function App() {
  const isIn = useStore(session)
  return (
    <>
      <ConnectionBanner />
      {isIn ? (
        <QueryClientProvider client={queryClient}>
          <Pages />
        </QueryClientProvider>
      ) : (
        <LoginPage />
      )}
      <Toasts />
    </>
  )
}

function Pages() {
  const text = useText()
  const { view, params } = useRoute()
  return (
    <StreamProvider>
      <a className="skip" href="#content">
        {text.app.skip}
      </a>
      <Header view={view} />
      <main id="content" tabIndex={-1}>
        {view === 'overview' && <OverviewPage params={params} />}
        {view === 'tasks' && <TasksPage params={params} />}
        {view === 'task' && (
          <TaskPage
            key={params.get('task')}
            taskId={params.get('task') ?? ''}
            lineId={readLine(params.get('line'))}
          />
        )}
        {view === 'new' && (
          <ForChanges>
            <NewTaskPage key={params.get('from')} params={params} />
          </ForChanges>
        )}
        {view === 'errors' && <ErrorsPage params={params} />}
        {view === 'types' && <TypesPage key={params.get('type')} params={params} />}
        {view === 'executors' && <ExecutorsPage params={params} />}
        {view === 'schedules' && <SchedulesPage />}
        {view === 'activity' && <ActivityPage params={params} />}
        {view === 'account' && HAS_LOGIN && <AccountPage />}
      </main>
      <Shortcuts view={view} />
    </StreamProvider>
  )
}

/** A line of a log, as the address names it. */
function readLine(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined
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
