import type { ErrorGroup } from '../../../client/index.ts'
import { MAX_GROUP_TASKS } from '../../../contract/error-group-views.ts'
import { client } from '../../client.ts'
import { Name } from '../../components/foreign.tsx'
import { Icon } from '../../components/icon.tsx'
import { Link } from '../../components/link.tsx'
import { Ago } from '../../components/time.tsx'
import { formatNumber } from '../../i18n/number.ts'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { ForChanges } from '../../state/server-state.tsx'
import { change, notify } from '../../state/toasts.ts'
import { ConfirmBulk, useBulk } from '../tasks/bulk-action.tsx'
import { Histogram } from './histogram.tsx'

export function GroupRow({ group }: { group: ErrorGroup }) {
  const text = useText()
  const { id, taskType, message, error, lastTaskId, count, failedTasks, firstAt, lastAt } = group
  const tasks = { type: taskType, status: 'failed', group: message === null ? undefined : id }
  const isCapped = failedTasks >= MAX_GROUP_TASKS
  return (
    <tr>
      <td className="foreign">
        <span className="muted">{visible(taskType)}</span>
        <Link className="strong error-message" to={tasks}>
          {message === null ? text.errors.others : visible(message)}
        </Link>
        {message === null && <span className="muted small">{text.errors.othersHint}</span>}
        <Link className="error-latest" to={{ task: lastTaskId }}>
          <span className="visually-hidden">{text.errors.latest}: </span>
          <Name className="task-error" text={error} />
        </Link>
      </td>
      <td>
        <Histogram group={group} />
      </td>
      <td className="num" data-label={text.errors.count}>
        {formatNumber(count)}
      </td>
      <td className="muted num" data-label={text.errors.first}>
        <Ago at={firstAt} />
      </td>
      <td className="num" data-label={text.errors.last}>
        <Ago at={lastAt} />
      </td>
      <td className="row-actions">
        <Link className="button small" to={tasks}>
          {message === null ? text.errors.showFailed : text.errors.show(failedTasks, isCapped)}
          <span className="visually-hidden"> {visible(message ?? taskType)}</span>
        </Link>
        <ForChanges>
          {message !== null && <RetryGroup group={group} />}
          <MarkGroup group={group} />
        </ForChanges>
      </td>
    </tr>
  )
}

function RetryGroup({ group: { id, failedTasks, message } }: { group: ErrorGroup }) {
  const text = useText()
  const bulk = useBulk(() => ({ filter: { errorGroup: id } }))
  const isPossible = failedTasks > 0
  return (
    <>
      <button
        type="button"
        className="small"
        aria-disabled={!isPossible}
        onClick={() => isPossible && bulk.prepare('retry')}
      >
        <Icon name="retry" />
        {text.errors.retry}
        <span className="visually-hidden"> {visible(message ?? '')}</span>
      </button>
      <ConfirmBulk bulk={bulk} />
    </>
  )
}

function MarkGroup({ group: { id, seenAt, message, taskType } }: { group: ErrorGroup }) {
  const text = useText()
  const isSeen = seenAt !== null
  const toggle = async () => {
    const marked = await change(() =>
      isSeen ? client.markErrorGroupUnseen(id) : client.markErrorGroupSeen(id),
    )
    if (marked) notify(isSeen ? text.errors.isUnseen : text.errors.isSeen)
  }
  return (
    <button type="button" className="small" onClick={() => void toggle()}>
      <Icon name={isSeen ? 'x' : 'check'} />
      {isSeen ? text.errors.unseen : text.errors.seen}
      <span className="visually-hidden"> {visible(message ?? taskType)}</span>
    </button>
  )
}
