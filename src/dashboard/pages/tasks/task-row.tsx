import { memo } from 'react'
import type { TaskSummary } from '../../../client/index.ts'
import { Around } from '../../components/around.tsx'
import { CopyButton } from '../../components/copy-button.tsx'
import { Name } from '../../components/foreign.tsx'
import { Link } from '../../components/link.tsx'
import { ProgressBar, TimeLeft } from '../../components/progress-bar.tsx'
import { StatusBadge, shadeOf } from '../../components/status-badge.tsx'
import { Ago, Elapsed } from '../../components/time.tsx'
import { formatNumber } from '../../i18n/number.ts'
import { useText } from '../../i18n/text.ts'
import { useNow } from '../../state/clock.ts'
import { ForChanges } from '../../state/server-state.tsx'
import type { Wait } from '../../state/why-waiting.ts'

export const TaskRow = memo(function TaskRow(props: {
  task: TaskSummary
  isSelected: boolean
  isStopping: boolean
  /** It was deleted while it was shown. */
  isGone: boolean
  wait: Wait | undefined
  onToggle: (taskId: string) => void
}) {
  const { task, isSelected, isStopping, isGone, wait, onToggle } = props
  const text = useText()
  const { taskId, taskType } = task
  const shade = isGone ? 'deleted' : shadeOf(task, isStopping)
  return (
    <tr className={isSelected ? 'is-selected' : ''} data-task={taskId}>
      <td className="cell-select">
        <ForChanges>
          <input
            type="checkbox"
            checked={isSelected}
            aria-label={text.list.select(taskId)}
            onChange={() => onToggle(taskId)}
          />
        </ForChanges>
      </td>
      <td className="cell-task">
        <div className="row-line">
          <Link to={{ task: taskId }} state={{ fromList: true }} className="task-link">
            <Name text={taskType} />
          </Link>
          <CopyButton value={taskId} what={text.detail.id} />
          <Name className="task-preview" text={task.paramsPreview ?? taskId} />
        </div>
      </td>
      <td className="cell-status">
        <StatusBadge shade={shade} />
      </td>
      <td className="cell-progress">
        <div className="row-line">
          {wait && !isGone && <span className="muted small">{text.list.waits[wait]}</span>}
          {!isGone && <Progress task={task} />}
          {task.error !== null && <Name className="task-error" text={task.error} />}
        </div>
      </td>
      <td className="cell-attempt num">
        {task.startedAt && text.list.attemptOf(task.retryCount + 1, task.maxRetries + 1)}
      </td>
      <td className="cell-created">
        <Ago at={task.createdAt} />
      </td>
      <td className="cell-duration">{!isGone && <Duration task={task} />}</td>
    </tr>
  )
})

function Progress({ task }: { task: TaskSummary }) {
  const text = useText()
  const { status, total, progress, percent, step, runAt } = task
  if (status === 'pending') {
    return runAt > task.createdAt ? (
      <span className="muted small">
        <Due at={runAt} />
      </span>
    ) : null
  }
  if (status !== 'running' && (total === 0 || task.error !== null)) return null
  return (
    <>
      <ProgressBar task={task} label={`${text.list.progress} ${task.taskId}`} />
      <span className="progress-words">
        {total > 0 && (
          <span className="num">
            {percent}% · {formatNumber(progress)}/{formatNumber(total)}
          </span>
        )}
        {step !== null && <Name className="step" text={step} />}
        <TimeLeft task={task} />
      </span>
    </>
  )
}

function Due({ at }: { at: Date }) {
  const text = useText()
  const isWaiting = at.getTime() <= useNow()
  return (
    <Around words={isWaiting ? text.detail.waits : text.list.due}>
      {isWaiting ? <Elapsed from={at} to={null} /> : <Ago at={at} />}
    </Around>
  )
}

function Duration({ task: { status, startedAt, completedAt, cancelledAt } }: { task: TaskSummary }) {
  const endedAt = completedAt ?? cancelledAt
  if (startedAt === null) return null
  if (status === 'running') return <Elapsed from={startedAt} to={null} />
  return endedAt === null ? null : <Elapsed from={startedAt} to={endedAt} />
}
