import type { TaskTypeView } from '../../client/index.ts'
import { client } from '../client.ts'
import { Icon } from '../components/icon.tsx'
import { Link } from '../components/link.tsx'
import { Empty, Failure, Skeleton, Warning } from '../components/notice.tsx'
import { TableHead } from '../components/table-head.tsx'
import { Ago } from '../components/time.tsx'
import { useText } from '../i18n/text.ts'
import { formatDuration, formatSeconds } from '../i18n/time.ts'
import { visible } from '../i18n/visible.ts'
import { useNow } from '../state/clock.ts'
import { useFormerPlace } from '../state/place.ts'
import { language } from '../state/preferences.ts'
import { ForChanges, useServerState } from '../state/server-state.tsx'
import { useStore } from '../state/store.ts'
import { attempt, say } from '../state/toasts.ts'
import { useTitle } from '../state/use-title.ts'

export function TypesPage() {
  const text = useText()
  useTitle(text.types.title)
  const { types, stats } = useServerState()
  useFormerPlace(types.data !== undefined)
  const waiting = stats.data?.byType.filter((one) => one.waitingFor === 'executor') ?? []
  return (
    <>
      <div className="page-head">
        <h1>{text.types.title}</h1>
      </div>
      {waiting.length > 0 && (
        <Warning>
          {text.types.withoutExecutor(waiting.map((one) => visible(one.taskType)).join(', '))}
        </Warning>
      )}
      {types.error && !types.data && <Failure error={types.error} onRetry={types.refetch} />}
      {!types.error && !types.data && <Skeleton lines={4} />}
      {types.data?.length === 0 && (
        <Empty title={text.form.noTypes}>
          <p>{text.form.noTypesText}</p>
        </Empty>
      )}
      {types.data && types.data.length > 0 && (
        <div className="card table-card">
          <table className="plain">
            <TableHead
              columns={[text.types.type, text.types.defaults, text.types.counts, text.types.state]}
            />
            <tbody>
              {types.data.map((type) => (
                <TypeRow key={type.taskType} type={type} onChange={types.refetch} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  )
}

function TypeRow({ type, onChange }: { type: TaskTypeView; onChange: () => void }) {
  const text = useText()
  const { taskType, paused } = type
  const toggle = async () => {
    const changed = await attempt(() =>
      paused ? client.resumeTaskType(taskType) : client.pauseTaskType(taskType),
    )
    if (!changed) return
    say(changed.paused ? text.types.isPaused(taskType) : text.types.isResumed(taskType))
    onChange()
  }
  return (
    <tr>
      <td className="foreign">
        <Link className="strong" to={{ type: taskType }}>
          {visible(taskType)}
        </Link>
      </td>
      <td className="muted">
        <Defaults type={type} />
      </td>
      <td>
        <TypeCounts taskType={taskType} />
      </td>
      <td>
        <span
          className={`badge ${paused ? 'badge-scheduled' : 'badge-completed'}`}
          title={paused ? text.types.pauseHint : ''}
        >
          <span className="dot" aria-hidden="true" />
          {paused ? text.types.paused : text.types.active}
        </span>
      </td>
      <td className="row-actions">
        <ForChanges>
          <button
            type="button"
            className="small"
            title={paused ? '' : text.types.pauseHint}
            onClick={() => void toggle()}
          >
            <Icon name={paused ? 'play' : 'pause'} />
            {paused ? text.types.resume : text.types.pause}
            <span className="visually-hidden"> {taskType}</span>
          </button>
          <Link className="button small" to={{ view: 'new', type: taskType }}>
            <Icon name="plus" />
            {text.app.newTask}
            <span className="visually-hidden"> {taskType}</span>
          </Link>
        </ForChanges>
      </td>
    </tr>
  )
}

function Defaults({ type }: { type: TaskTypeView }) {
  const text = useText()
  const lang = useStore(language)
  const { maxRetries, timeoutSeconds, priority, rateLimit } = type
  return (
    <>
      {[
        text.types.retries(maxRetries),
        text.types.timeout(formatSeconds(timeoutSeconds, lang)),
        ...(priority === 0 ? [] : [`${text.detail.priority} ${priority}`]),
      ].join(' · ')}
      {rateLimit && <RateLimit limit={rateLimit} />}
    </>
  )
}

function RateLimit({ limit }: { limit: NonNullable<TaskTypeView['rateLimit']> }) {
  const text = useText()
  const lang = useStore(language)
  const now = useNow()
  const { max, perSeconds, keyed, nextPermitAt } = limit
  const window = perSeconds < 1 ? formatDuration(perSeconds * 1_000, lang) : formatSeconds(perSeconds, lang)
  return (
    <div>
      {text.types.rate(max, window, keyed)}
      {nextPermitAt && nextPermitAt.getTime() > now && (
        <>
          {' · '}
          {text.types.nextPermit} <Ago at={nextPermitAt} />
        </>
      )}
    </div>
  )
}

function TypeCounts({ taskType }: { taskType: string }) {
  const text = useText()
  const counts = useServerState().stats.data?.byType.find((one) => one.taskType === taskType)
  if (!counts) return <span className="muted">{text.detail.none}</span>
  const shown = (['running', 'pending', 'failed', 'completed', 'cancelled'] as const).filter(
    (one) => counts[one] > 0,
  )
  return (
    <span className="type-counts">
      {shown.map((status) => (
        <Link key={status} to={{ type: taskType, status }} className={`count count-${status}`}>
          {counts[status].toLocaleString()} {text.status[status].toLowerCase()}
        </Link>
      ))}
    </span>
  )
}
