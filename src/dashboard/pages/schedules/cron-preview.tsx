import { useEffect, useState } from 'react'
import type { Language } from '../../i18n/languages.ts'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { serverNow } from '../../state/clock.ts'
import { language } from '../../state/preferences.ts'
import { useStore } from '../../state/store.ts'
import { NextTicks } from './next-ticks.tsx'

/** While one types. */
const SETTLE_MS = 250

interface Explained {
  readonly cron: string
  readonly timeZone: string
  readonly next: Date[] | string
  readonly words: Record<Language, string> | undefined
}

/** What an expression says and when it ticks, told while it is typed; its readers are loaded with the first one. */
export function CronPreview({ cron, timeZone }: { cron: string; timeZone: string }) {
  const [explained, setExplained] = useState<Explained>()
  useEffect(() => {
    let isCurrent = true
    const timer = setTimeout(async () => {
      const [{ findNextTicks }, { describeCron }] = await Promise.all([
        import('./cron-times.ts'),
        import('./cron-words.ts'),
      ])
      const next = findNextTicks(cron.trim(), timeZone, new Date(serverNow()))
      const words = typeof next === 'string' ? undefined : describeCron(cron)
      if (isCurrent) setExplained({ cron, timeZone, next, words })
    }, SETTLE_MS)
    return () => {
      isCurrent = false
      clearTimeout(timer)
    }
  }, [cron, timeZone])
  // What was said of another expression is not true of this one.
  const isCurrent = cron.trim() !== '' && explained?.cron === cron && explained.timeZone === timeZone
  return (
    <div className="cron-preview" aria-live="polite">
      {isCurrent && <Preview explained={explained} />}
    </div>
  )
}

function Preview({ explained: { next, words, timeZone } }: { explained: Explained }) {
  const text = useText()
  const lang = useStore(language)
  if (typeof next === 'string') return <p className="hint cron-problem">{visible(next)}</p>
  return (
    <>
      {words && <p className="strong">{words[lang]}</p>}
      {next.length === 0 ? (
        <p className="hint cron-problem">{text.schedules.neverFires}</p>
      ) : (
        <NextTicks ticks={next} timeZone={timeZone} />
      )}
    </>
  )
}
