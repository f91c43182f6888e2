import { useState } from 'react'
import type { BulkAnswer } from '../../../client/index.ts'
import type { BulkAction } from '../../../contract/bulk.ts'
import { client } from '../../client.ts'
import { Confirm } from '../../components/dialog.tsx'
import { Icon } from '../../components/icon.tsx'
import type { Dictionary } from '../../i18n/en.ts'
import { useText } from '../../i18n/text.ts'
import type { TaskFilter } from '../../requests.ts'
import { attempt, say } from '../../state/toasts.ts'
import type { Selection } from './selection.ts'

/** What one call takes: `MAX_BULK_TASKS` of the contract, whose module would bring zod along. */
const MAX_TASKS = 1_000

interface Plan {
  readonly action: BulkAction
  /** How many it would change. */
  readonly count: number
  readonly refused: string
}

interface BarProps {
  selection: Selection
  filter: TaskFilter
  total: number
  isPageSelected: boolean
  onDone: () => void
}

/** Acts on what is selected, after naming how many tasks that are. */
export function BulkBar(props: BarProps) {
  const { selection, total, isPageSelected } = props
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
      <BulkButtons onAct={prepare} />
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

function BulkButtons({ onAct }: { onAct: (action: BulkAction) => void }) {
  const text = useText()
  return (
    <>
      <button type="button" onClick={() => onAct('cancel')}>
        <Icon name="stop" />
        {text.actions.cancel}
      </button>
      <button type="button" onClick={() => onAct('retry')}>
        <Icon name="retry" />
        {text.actions.retry}
      </button>
      <button type="button" className="danger-quiet" onClick={() => onAct('delete')}>
        <Icon name="trash" />
        {text.actions.delete}
      </button>
    </>
  )
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
    onDone()
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
  say(
    words.filter((one) => one !== '').join('. '),
    done > 0 || answer.results.length === 0 ? 'done' : 'problem',
  )
}

/** How many were refused, and the reasons. */
function listRefusals({ results }: BulkAnswer, text: Dictionary): string {
  const refused = results.filter(({ ok }) => !ok)
  if (refused.length === 0) return ''
  const reasons = new Set(refused.map(({ code = '' }) => text.codes[code] ?? code))
  return text.actions.refused(refused.length, [...reasons].join(', '))
}
