import { useState } from 'react'
import type { BulkAction, BulkRequest } from '../../../contract/bulk.ts'
import { client } from '../../client.ts'
import { Confirm } from '../../components/dialog.tsx'
import { useText } from '../../i18n/text.ts'
import type { Query } from '../../state/route.ts'
import { attempt, change, notify } from '../../state/toasts.ts'
import { linkTo, listRefusals, undoOf } from './after-bulk.ts'

export interface BulkPlan {
  readonly action: BulkAction
  /** How many it would change. */
  readonly count: number
  readonly refused: string
}

/** Where the tasks are now; undefined where they are gone. */
export interface BulkOutcome {
  readonly to: Query | undefined
}

export interface Bulk {
  readonly plan: BulkPlan | undefined
  readonly isBusy: boolean
  readonly prepare: (action: BulkAction) => void
  readonly carryOut: () => void
  readonly giveUp: () => void
}

/** First as a dry run, to show what would happen; then, when the person confirms it, for good. */
export function useBulk(
  choose: () => Pick<BulkRequest, 'taskIds' | 'filter'>,
  onDone: (outcome: BulkOutcome) => void = () => {},
  /** Where many tasks are afterwards. */
  elsewhere: (action: BulkAction) => Query | undefined = () => undefined,
): Bulk {
  const text = useText()
  const [plan, setPlan] = useState<BulkPlan>()
  const [isBusy, setBusy] = useState(false)

  // The buttons stay enabled meanwhile: one that is disabled loses the focus.
  const ask = async (action: BulkAction, dryRun: boolean) => {
    if (isBusy) return undefined
    setBusy(true)
    const response = await (dryRun ? attempt : change)(() =>
      client.bulkTasks({ action, ...choose(), dryRun }),
    )
    setBusy(false)
    return response
  }
  const prepare = async (action: BulkAction) => {
    const response = await ask(action, true)
    const count = response?.results.filter(({ ok }) => ok).length ?? 0
    if (response) setPlan({ action, count, refused: listRefusals(response.results, text) })
  }
  const carryOut = async () => {
    const response = plan && (await ask(plan.action, false))
    setPlan(undefined)
    if (!response) return
    const { action } = plan
    const done = response.results.flatMap(({ taskId, ok }) => (ok ? [taskId] : []))
    const to = action === 'delete' || done.length === 0 ? undefined : (linkTo(done) ?? elsewhere(action))
    onDone({ to })
    const words = [text.actions.done[action](done.length), listRefusals(response.results, text)]
    if (response.more) words.push(text.actions.more)
    const isFine = done.length > 0 || response.results.length === 0
    const undo = undoOf(response.results, text)
    notify(words.filter((one) => one !== '').join('. '), isFine ? 'done' : 'problem', { to, undo })
  }
  return {
    plan,
    isBusy,
    prepare: (action: BulkAction) => void prepare(action),
    carryOut: () => void carryOut(),
    giveUp: () => setPlan(undefined),
  }
}

/** Names how many tasks it would change, before it does. */
export function ConfirmBulk({ bulk: { plan, isBusy, carryOut, giveUp } }: { bulk: Bulk }) {
  const text = useText()
  if (!plan) return null
  return (
    <Confirm
      title={text.actions.confirm[plan.action](plan.count)}
      details={[text.actions.confirmText[plan.action], plan.refused].join(' ').trim()}
      action={text.actions.doIt[plan.action](plan.count)}
      danger={plan.action !== 'retry'}
      busy={isBusy || plan.count === 0}
      onConfirm={carryOut}
      onClose={giveUp}
    />
  )
}
