import { useQuery } from '@tanstack/react-query'
import type { TaskDetail } from '../../../client/index.ts'
import { CopyButton } from '../../components/copy-button.tsx'
import { LongText, Name } from '../../components/foreign.tsx'
import { Icon } from '../../components/icon.tsx'
import { JsonTree } from '../../components/json-tree.tsx'
import { Link } from '../../components/link.tsx'
import { Empty, Failure, Skeleton, Warning } from '../../components/notice.tsx'
import { ProgressBar, TimeLeft } from '../../components/progress-bar.tsx'
import { StatusBadge, shadeOf } from '../../components/status-badge.tsx'
import { formatNumber } from '../../i18n/number.ts'
import { useText } from '../../i18n/text.ts'
import { formatSeconds } from '../../i18n/time.ts'
import { visible } from '../../i18n/visible.ts'
import { useNow } from '../../state/clock.ts'
import { useFormerPlace } from '../../state/place.ts'
import { language } from '../../state/preferences.ts'
import { executorsQuery, statsQuery, typesQuery } from '../../state/queries.ts'
import { ForChanges, stoppingState } from '../../state/server-state.tsx'
import { useStore } from '../../state/store.ts'
import { useTitle } from '../../state/use-title.ts'
import { whyWaiting } from '../../state/why-waiting.ts'
import { Actions } from './actions.tsx'
import { Attempts, findShown, Stack } from './attempts.tsx'
import { Bars } from './bars.tsx'
import { Facts } from './facts.tsx'
import { Log } from './log.tsx'
import { Steps } from './steps.tsx'
import { Timeline } from './timeline.tsx'
import { type TaskFeed, useTaskFeed } from './use-task-feed.ts'

export function TaskPage({ taskId, lineId }: { taskId: string; lineId: number | undefined }) {
  const text = useText()
  const feed = useTaskFeed(taskId)
  const { task, error } = feed
  useTitle(task ? `${visible(task.taskType)} · ${text.status[task.status]}` : text.list.title)
  if (error?.code === 'TASK_NOT_FOUND') return <Gone />
  if (error && !task) return <Failure isPage error={error} />
  if (!task) return <Skeleton lines={10} />
  return <Detail task={task} feed={feed} lineId={lineId} />
}

function Gone() {
  const text = useText()
  return (
    <Empty isPage title={text.app.notFound}>
      <p>{text.app.notFoundText}</p>
      <Link className="button" to={{ view: 'tasks' }}>
        {text.app.backToList}
      </Link>
    </Empty>
  )
}

function Detail(props: { task: TaskDetail; feed: TaskFeed; lineId: number | undefined }) {
  const { task, feed, lineId } = props
  const text = useText()
  useFormerPlace(true)
  const executors = useQuery(executorsQuery).data
  const stopping = task.status === 'running' ? 'no' : stoppingState(executors, task)
  return (
    <article className="task">
      <div className="page-head task-head">
        <div className="task-title">
          <h1 className="foreign">{visible(task.taskType)}</h1>
          <StatusBadge shade={shadeOf(task, stopping !== 'no')} />
          <span className="task-id">
            <code>{task.taskId}</code>
            <CopyButton value={task.taskId} what={text.detail.id} />
          </span>
        </div>
        <ForChanges>
          <Actions task={task} isStopping={stopping !== 'no'} onChange={feed.put} />
        </ForChanges>
      </div>
      <Warnings task={task} stopping={stopping} />
      {task.error !== null && task.status !== 'completed' && <ErrorCard task={task} error={task.error} />}
      <ProgressCard task={task} />
      <Bars task={task} />
      <div className="task-columns">
        <div className="task-main">
          <Log task={task} feed={feed} lineId={lineId} />
          <Attempts task={task} />
          <Steps task={task} isStopping={stopping !== 'no'} onChange={feed.put} />
        </div>
        <div className="task-side">
          <section className="card">
            <h2>{text.detail.timeline}</h2>
            <Timeline task={task} />
          </section>
          <JsonCard
            title={text.detail.params}
            value={Object.keys(task.params).length === 0 ? null : task.params}
            empty={text.detail.noParams}
          />
          {task.status === 'completed' && (
            <JsonCard title={text.detail.result} value={task.result} empty={text.detail.noResult} />
          )}
          <Facts task={task} />
        </div>
      </div>
    </article>
  )
}

/** The last error with all its causes, and where it was thrown. */
function ErrorCard({ task, error }: { task: TaskDetail; error: string }) {
  const text = useText()
  const { stack = null } = findShown(task) ?? {}
  return (
    <section className="card error-card" aria-label={text.detail.error}>
      <Icon name="warning" />
      <pre>
        <LongText text={visible(error)} />
      </pre>
      <CopyButton value={stack ?? error} what={stack === null ? text.detail.error : text.detail.stack} />
      {stack !== null && <Stack stack={stack} />}
    </section>
  )
}

function Warnings({ task, stopping }: { task: TaskDetail; stopping: 'no' | 'stopping' | 'stuck' }) {
  const text = useText()
  const lang = useStore(language)
  const executors = useQuery(executorsQuery).data
  const stats = useQuery(statsQuery).data
  const types = useQuery(typesQuery).data
  const executor = executors?.find(({ id }) => id === task.executorId)
  const now = useNow()
  // By what is read again: a stream shows no change of the executors.
  const wait = whyWaiting(task, now, { types, executors, stats })
  const stuck = executor?.stuck.includes(task.taskId) || stopping === 'stuck'
  return (
    <>
      {wait && <Warning>{text.detail.waitsFor[wait]}</Warning>}
      {stopping !== 'no' && !stuck && <Warning>{text.detail.stopping}</Warning>}
      {stuck && <Warning>{text.detail.stuck}</Warning>}
      {task.status === 'running' && executor && !executor.alive && (
        <Warning>{text.detail.executorGone(formatSeconds(executor.heartbeatAgeMs / 1_000, lang))}</Warning>
      )}
    </>
  )
}

function ProgressCard({ task }: { task: TaskDetail }) {
  const text = useText()
  if (task.status === 'pending' || (task.total === 0 && task.status !== 'running')) return null
  const { progress, total, percent, step } = task
  return (
    <section className="card progress-card" aria-label={text.detail.progress}>
      <div className="progress-line">
        <span className="percent num">{total > 0 ? `${percent}%` : ''}</span>
        <span className="muted num">
          {total > 0 ? `${formatNumber(progress)} / ${formatNumber(total)}` : text.detail.noProgress}
        </span>
        {step !== null && <Name className="step" text={step} />}
        <span className="spacer" />
        <span className="muted">
          <TimeLeft task={task} />
        </span>
      </div>
      <ProgressBar task={task} label={text.detail.progress} />
    </section>
  )
}

function JsonCard({ title, value, empty }: { title: string; value: unknown; empty: string }) {
  const isEmpty = value === null
  return (
    <section className="card">
      <div className="card-head">
        <h2>{title}</h2>
        {!isEmpty && <CopyButton value={JSON.stringify(value, null, 2)} what={title} />}
      </div>
      {isEmpty ? <p className="muted">{empty}</p> : <JsonTree value={value} />}
    </section>
  )
}
