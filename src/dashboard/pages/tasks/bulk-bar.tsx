import { useState } from 'react'
import type { BulkAnswer, TaskList, TaskStatus } from '../../../client/index.ts'
import type { BulkAction } from '../../../contract/bulk.ts'
import { client } from '../../client.ts'
import { Confirm } from '../../components/dialog.tsx'
import { Icon } from '../../components/icon.tsx'
import type { Dictionary } from '../../i18n/en.ts'
import { useText } from '../../i18n/text.ts'
import type { TaskFilter } from '../../requests.ts'
import type { Query } from '../../state/route.ts'
import { attempt, say } from '../../state/toasts.ts'
import { TASK_STATUSES } from '../../statuses.ts'
import { toQuery } from './filter.ts'
import type { Selection } from './selection.ts'

/** What one call takes: `MAX_BULK_TASKS` of the contract, whose module would bring zod along. */
const MAX_TASKS = 1_000

/** `from`: what the server lets each of them change. */
const BUTTONS = [
  { action: 'cancel', icon: 'stop', from: ['pending', 'running'], className: '' },
  { action: 'retry', icon: 'retry', from: ['completed', 'failed', 'cancelled'], className: '' },
  { action: 'delete', icon: 'trash', from: ['completed', 'failed', 'cancelled'], className: 'danger-quiet' },
] as const

interface Plan {
  readonly action: BulkAction
  /** How many it would change. */
  readonly count: number
  readonly refused: string
}

interface BarProps {
  selection: Selection
  filter: TaskFilter
  page: TaskList
  isPageSelected: boolean
  onDone: (outcome: BulkOutcome) => void
}

/** Where the tasks are now; undefined where they are gone. */
export interface BulkOutcome {
  readonly to: Query | undefined
}

const STATUS_AFTER = { cancel: ['cancelled'], retry: ['pending', 'running'], delete: undefined } as const

/** Acts on what is selected, after naming how many tasks that are. */
export function BulkBar(props: BarProps) {
  const { selection, filter, page, isPageSelected } = props
  const { total } = page
  const text = useText()
  const { plan, isBusy, prepare, carryOut, giveUp } = useBulk(props)
  const capped = Math.min(total, MAX_TASKS)
  const isCapped = total > MAX_TASKS
  return (
    <section className="bulk" aria-label={text.list.bulkActions}>
      <span className="bulk-count">
        {selection.isAll ? text.list.allSelected(capped, isCapped) : text.list.selected(selection.ids.size)}
      </span>
      {!selection.isAll && isPageSelected && total > selection.ids.size && (
        <button type="button" className="link" onClick={selection.selectAll}>
          {text.list.selectAll(capped, isCapped)}
        </button>
      )}
      <span className="spacer" />
      <BulkButtons statuses={statusesOf(selection, filter, page)} onAct={prepare} />
      <button
        type="button"
        className="ghost icon-only"
        aria-label={text.list.clearSelection}
        onClick={selection.clear}
      >
        <Icon name="x" />
      </button>
      {plan && (
        <Confirm
          title={text.actions.confirm[plan.action](plan.count)}
          details={[text.actions.confirmText[plan.action], plan.refused].join(' ').trim()}
          action={text.actions.doIt[plan.action](plan.count)}
          danger={plan.action !== 'retry'}
          busy={isBusy || plan.count === 0}
          onConfirm={carryOut}
          onClose={giveUp}
        />
      )}
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
  return BUTTONS.map(({ action, icon, from, className }) => {
    const isAllowed = from.some((status) => statuses.includes(status))
    return (
      <button
        key={action}
        type="button"
        className={className}
        aria-disabled={!isAllowed}
        onClick={() => isAllowed && onAct(action)}
      >
        <Icon name={icon} />
        {text.actions[action]}
      </button>
    )
  })
}

/** First without changing anything, to say what would happen; then, when a person says so, for good. */
function useBulk({ selection, filter, onDone }: BarProps) {
  const text = useText()
  const [plan, setPlan] = useState<Plan>()
  const [isBusy, setBusy] = useState(false)

  // The buttons stay enabled meanwhile: one that is disabled loses the focus.
  const ask = async (action: BulkAction, dryRun: boolean) => {
    if (isBusy) return undefined
    const chosen = selection.isAll ? { filter } : { taskIds: [...selection.ids] }
    setBusy(true)
    const answer = await attempt(() => client.bulkTasks({ action, ...chosen, dryRun }))
    setBusy(false)
    return answer
  }
  const prepare = async (action: BulkAction) => {
    const answer = await ask(action, true)
    const count = answer?.results.filter(({ ok }) => ok).length ?? 0
    if (answer) setPlan({ action, count, refused: listRefusals(answer, text) })
  }
  const carryOut = async () => {
    const answer = plan && (await ask(plan.action, false))
    setPlan(undefined)
    if (!answer) return
    tell(plan.action, answer, text)
    selection.clear()
    const status = STATUS_AFTER[plan.action]
    onDone({ to: status && toQuery({ ...filter, status: [...status] }) })
  }
  return {
    plan,
    isBusy,
    prepare: (action: BulkAction) => void prepare(action),
    carryOut: () => void carryOut(),
    giveUp: () => setPlan(undefined),
  }
}

function tell(action: BulkAction, answer: BulkAnswer, text: Dictionary): void {
  const done = answer.results.filter(({ ok }) => ok).length
  const words = [text.actions.done[action](done), listRefusals(answer, text)]
  if (answer.more) words.push(text.actions.more)
  const sentence = words.filter((one) => one !== '').join('. ')
  say(sentence, done > 0 || answer.results.length === 0 ? 'done' : 'problem')
}

/** How many were refused, and the reasons. */
function listRefusals({ results }: BulkAnswer, text: Dictionary): string {
  const refused = results.filter(({ ok }) => !ok)
  if (refused.length === 0) return ''
  const reasons = new Set(refused.map(({ code = '' }) => text.codes[code] ?? code))
  return text.actions.refused(refused.length, [...reasons].join(', '))
}
