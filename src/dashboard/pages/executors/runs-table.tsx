import { useState } from 'react'
import type { ExecutorRun } from '../../../client/index.ts'
import { Link } from '../../components/link.tsx'
import { Ago, Elapsed } from '../../components/time.tsx'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'

const SHOWN = 100

/** The newest runs. */
export function RunsTable({ runs }: { runs: readonly ExecutorRun[] }) {
  const text = useText()
  const [isOpen, setOpen] = useState(false)
  const newest = runs.toSorted((a, b) => b.startedAt.getTime() - a.startedAt.getTime()).slice(0, SHOWN)
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{text.overview.asTable}</summary>
      {isOpen && (
        <div className="table-card">
          <table className="plain num">
            <thead>
              <tr>
                <th>{text.list.task}</th>
                <th>{text.executors.started}</th>
                <th>{text.list.duration}</th>
                <th>{text.activity.outcome}</th>
              </tr>
            </thead>
            <tbody>
              {newest.map(({ taskId, taskType, attempt, startedAt, endedAt, outcome }) => (
                <tr key={`${taskId} ${attempt}`}>
                  <td className="foreign">
                    <Link to={{ task: taskId }}>{visible(taskType)}</Link>{' '}
                    {attempt > 1 && <span className="muted">{text.detail.attempt(attempt)}</span>}
                  </td>
                  <td data-label={text.executors.started}>
                    <Ago at={startedAt} />
                  </td>
                  <td data-label={text.list.duration}>
                    <Elapsed from={startedAt} to={endedAt} />
                  </td>
                  <td className={outcome === 'failed' || outcome === 'timed_out' ? 'count-failed' : 'muted'}>
                    {text.outcome[outcome ?? 'running']}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  )
}
