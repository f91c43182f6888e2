import { HAS_LOGIN } from '../settings.ts'
import type { View } from '../state/route.ts'
import { AccountPage } from './account/account-page.tsx'
import { ActivityPage } from './activity/activity-page.tsx'
import { ErrorsPage } from './errors/errors-page.tsx'
import { ExecutorsPage } from './executors/executors-page.tsx'
import { NewTaskPage } from './new-task/new-task-page.tsx'
import { SchedulesPage } from './schedules/schedules-page.tsx'
import { TaskPage } from './task/task-page.tsx'
import { TypesPage } from './task-types/types-page.tsx'
import { TasksPage } from './tasks/tasks-page.tsx'

export type OtherView = Exclude<View, 'overview'>

/** Every page but the overview. */
export function OtherPage({ view, params }: { view: OtherView; params: URLSearchParams }) {
  switch (view) {
    case 'tasks':
      return <TasksPage params={params} />
    case 'task':
      return (
        <TaskPage
          key={params.get('task')}
          taskId={params.get('task') ?? ''}
          lineId={readLine(params.get('line'))}
        />
      )
    case 'new':
      return <NewTaskPage key={params.get('from')} params={params} />
    case 'errors':
      return <ErrorsPage params={params} />
    case 'types':
      return <TypesPage key={params.get('type')} params={params} />
    case 'executors':
      return <ExecutorsPage params={params} />
    case 'schedules':
      return <SchedulesPage />
    case 'activity':
      return <ActivityPage params={params} />
    case 'account':
      return HAS_LOGIN && <AccountPage />
  }
}

/** A line of a log, as the address names it. */
function readLine(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
