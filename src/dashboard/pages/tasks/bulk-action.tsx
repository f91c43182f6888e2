import { useState } from 'react'
import type { BulkAnswer } from '../../../client/index.ts'
import type { BulkAction, BulkRequest } from '../../../contract/bulk.ts'
import { client } from '../../client.ts'
import { Confirm } from '../../components/dialog.tsx'
import type { Dictionary } from '../../i18n/en.ts'
import { useText } from '../../i18n/text.ts'
import { attempt, change, say } from '../../state/toasts.ts'

export interface BulkPlan {
  readonly action: BulkAction
  /** How many it would change. */
  readonly count: number
  readonly refused: string
}

export interface Bulk {
  readonly plan: BulkPlan | undefined
  readonly isBusy: boolean
  readonly prepare: (action: BulkAction) => void
  readonly carryOut: () => void
  readonly giveUp: () => void
}

/** First without changing anything, to say what would happen; then, when a person says so, for good. */
export function useBulk(
  choose: () => Pick<BulkRequest, 'taskIds' | 'filter'>,
  onDone?: (action: BulkAction) => void,
): Bulk {
  const text = useText()
  const [plan, setPlan] = useState<BulkPlan>()
  const [isBusy, setBusy] = useState(false)

  // The buttons stay enabled meanwhile: one that is disabled loses the focus.
  const ask = async (action: BulkAction, dryRun: boolean) => {
    if (isBusy) return undefined
    setBusy(true)
    const answer = await (dryRun ? attempt : change)(() => client.bulkTasks({ action, ...choose(), dryRun }))
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
    onDone?.(plan.action)
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
