import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import type { TaskDetail } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { ExecutorName, shortId } from '../../components/executor-name.tsx'
import { Link } from '../../components/link.tsx'
import { Instant } from '../../components/time.tsx'
import { useText } from '../../i18n/text.ts'
import { formatSeconds } from '../../i18n/time.ts'
import { visible } from '../../i18n/visible.ts'
import { language } from '../../state/preferences.ts'
import { meQuery } from '../../state/queries.ts'
import { useStore } from '../../state/store.ts'
import { toActivityQuery } from '../activity/activity-filter.ts'

export function Facts({ task }: { task: TaskDetail }) {
  const text = useText()
  const lang = useStore(language)
  const facts: [label: string, value: ReactNode][] = [
    [text.detail.dueLabel, <Instant key="due" at={task.runAt} />],
    [text.detail.retries, text.detail.retriesOf(task.retryCount, task.maxRetries)],
    [text.detail.timeout, formatSeconds(task.timeoutSeconds, lang)],
    [text.detail.priority, task.priority],
    [text.detail.createdByLabel, <Creator key="by" id={task.createdBy} />],
    [text.detail.executor, <ExecutorName key="executor" id={task.executorId} />],
  ]
  if (task.expiresAt) {
    facts.splice(1, 0, [text.detail.expiresLabel, <Instant key="expires" at={task.expiresAt} />])
  }
  facts.push([
    text.activity.title,
    <Link key="activity" to={toActivityQuery({ subject: task.taskId })}>
      {text.activity.ofTask}
    </Link>,
  ])
  if (task.uniqueKey !== null) facts.push([text.form.uniqueKey, visible(task.uniqueKey)])
  return (
    <section className="card">
      <h2>{text.detail.facts}</h2>
      <dl className="facts">
        {facts.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd className="foreign">{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

/** The name, where the server has users; of other ids the part that differs. */
function Creator({ id }: { id: string | null }) {
  const text = useText()
  const me = useQuery(meQuery).data
  const isOther = id !== null && me !== undefined && me.id !== id
  const other = useQuery({
    queryKey: ['user', id],
    queryFn: ({ signal }) => client.getUser(id ?? '', { signal }),
    enabled: isOther,
  }).data
  if (id === null) return text.detail.none
  const user = isOther ? other : me
  if (user) return <span title={visible(id)}>{visible(user.username)}</span>
  return <span title={visible(id)}>{shortId(id)}</span>
}
