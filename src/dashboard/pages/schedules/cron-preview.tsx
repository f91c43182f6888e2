import { useEffect, useState } from 'react'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { NextTicks } from './next-ticks.tsx'

/** While one types. */
const SETTLE_MS = 250

interface Told {
  readonly cron: string
  readonly timeZone: string
  readonly next: Date[] | string
}

/** When an expression ticks, told while it is typed; its reader is loaded with the first one. */
export function CronPreview({ cron, timeZone }: { cron: string; timeZone: string }) {
  const text = useText()
  const [told, setTold] = useState<Told>()
  useEffect(() => {
    let isCurrent = true
    const timer = setTimeout(async () => {
      const { findNextTicks } = await import('./cron-times.ts')
      if (isCurrent) setTold({ cron, timeZone, next: findNextTicks(cron.trim(), timeZone) })
    }, SETTLE_MS)
    return () => {
      isCurrent = false
      clearTimeout(timer)
    }
  }, [cron, timeZone])
  // What was said of another expression is not true of this one.
  const next = told?.cron === cron && told.timeZone === timeZone ? told.next : undefined
  if (cron.trim() === '' || next === undefined) return null
  if (typeof next === 'string') return <p className="hint cron-problem">{visible(next)}</p>
  if (next.length === 0) return <p className="hint cron-problem">{text.schedules.neverFires}</p>
  return <NextTicks ticks={next} timeZone={timeZone} />
}
