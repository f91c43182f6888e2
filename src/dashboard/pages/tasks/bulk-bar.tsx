import type { TaskList, TaskStatus } from '../../../client/index.ts'
import type { BulkAction } from '../../../contract/bulk.ts'
import { Icon } from '../../components/icon.tsx'
import { useText } from '../../i18n/text.ts'
import type { TaskFilter } from '../../requests.ts'
import { TASK_STATUSES } from '../../statuses.ts'
import { MAX_TASKS } from './after-bulk.ts'
import { type BulkOutcome, ConfirmBulk, useBulk } from './bulk-action.tsx'
import { isSearch, toQuery } from './filter.ts'
import type { Selection } from './selection.ts'

/** `from`: what the server lets each of them change. */
const BUTTONS = [
  { action: 'cancel', key: 'c', icon: 'stop', from: ['pending', 'running'], className: '' },
  { action: 'retry', key: 'r', icon: 'retry', from: ['completed', 'failed', 'cancelled'], className: '' },
  {
    action: 'delete',
    key: 'd',
    icon: 'trash',
    from: ['completed', 'failed', 'cancelled'],
    className: 'danger-quiet',
  },
] as const

interface BarProps {
  selection: Selection
  filter: TaskFilter
  page: TaskList
  isPageSelected: boolean
  onDone: (outcome: BulkOutcome) => void
}

const STATUS_AFTER = { cancel: ['cancelled'], retry: ['pending', 'running'], delete: undefined } as const

/** Acts on what is selected, after naming how many tasks that are. */
export function BulkBar(props: BarProps) {
  const { selection, filter, page, isPageSelected, onDone } = props
  const { total } = page
  const text = useText()
  const bulk = useBulk(
    () => (selection.isAll ? { filter } : { taskIds: [...selection.ids] }),
    (outcome) => {
      selection.clear()
      onDone(outcome)
    },
    (action) => {
      const status = STATUS_AFTER[action]
      // A task that is no longer failed has no error.
      return status && toQuery({ ...filter, errorGroup: undefined, error: undefined, status: [...status] })
    },
  )
  const capped = Math.min(total, MAX_TASKS)
  const isCapped = total > MAX_TASKS
  return (
    <section className="bulk" aria-label={text.list.bulkActions}>
      <span className="bulk-count">
        {selection.isAll ? text.list.allSelected(capped, isCapped) : text.list.selected(selection.ids.size)}
      </span>
      {!selection.isAll &&
        isPageSelected &&
        total > selection.ids.size &&
        !isSearch(filter) &&
        !filter.taskId && (
          <button type="button" className="link" onClick={selection.selectAll}>
            {text.list.selectAll(capped, isCapped)}
          </button>
        )}
      <span className="spacer" />
      <BulkButtons statuses={statusesOf(selection, filter, page)} onAct={bulk.prepare} />
      <button
        type="button"
        className="ghost icon-only"
        aria-label={text.list.clearSelection}
        aria-keyshortcuts="Escape"
        onClick={selection.clear}
      >
        <Icon name="x" />
      </button>
      <ConfirmBulk bulk={bulk} />
    </section>
  )
}

/** The statuses that the selected tasks may have. */
function statusesOf(selection: Selection, filter: TaskFilter, { tasks }: TaskList): readonly TaskStatus[] {
  if (selection.isAll) return filter.status ?? TASK_STATUSES
  const shown = tasks.filter(({ taskId }) => selection.has(taskId))
  // Some have left the page, nobody knows how.
  return shown.length < selection.ids.size ? TASK_STATUSES : shown.map(({ status }) => status)
}

function BulkButtons(props: { statuses: readonly TaskStatus[]; onAct: (action: BulkAction) => void }) {
  const { statuses, onAct } = props
  const text = useText()
  return BUTTONS.map(({ action, key, icon, from, className }) => {
    const isAllowed = from.some((status) => statuses.includes(status))
    return (
      <button
        key={action}
        type="button"
        className={className}
        aria-disabled={!isAllowed}
        aria-keyshortcuts={key}
        onClick={() => isAllowed && onAct(action)}
      >
        <Icon name={icon} />
        {text.actions[action]}
      </button>
    )
  })
}
