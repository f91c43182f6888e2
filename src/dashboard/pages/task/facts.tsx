import type { ReactNode } from 'react'
import type { TaskDetail } from '../../../client/index.ts'
import { Instant } from '../../components/time.tsx'
import { useText } from '../../i18n/text.ts'
import { formatSeconds } from '../../i18n/time.ts'
import { language } from '../../state/preferences.ts'
import { useServerState } from '../../state/server-state.tsx'
import { useStore } from '../../state/store.ts'

export function Facts({ task }: { task: TaskDetail }) {
  const text = useText()
  const lang = useStore(language)
  const executor = useServerState().executors.data?.find(({ id }) => id === task.executorId)
  const facts: [label: string, value: ReactNode][] = [
    [text.detail.dueLabel, <Instant key="due" at={task.runAt} />],
    [text.detail.retries, text.detail.retriesOf(task.retryCount, task.maxRetries)],
    [text.detail.timeout, formatSeconds(task.timeoutSeconds, lang)],
    [text.detail.priority, task.priority],
    [text.detail.createdByLabel, task.createdBy ?? text.detail.none],
    [
      text.detail.executor,
      executor ? `${executor.host} · ${executor.pid}` : (task.executorId ?? text.detail.none),
    ],
  ]
  if (task.uniqueKey !== null) facts.push([text.form.uniqueKey, task.uniqueKey])
  return (
    <section className="card">
      <h2>{text.detail.facts}</h2>
      <dl className="facts">
        {facts.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}
