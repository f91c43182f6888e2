import { useState } from 'react'
import type { Overview } from '../../../client/index.ts'
import { useText } from '../../i18n/text.ts'
import { go } from '../../state/route.ts'
import { FiguresTable } from './figures-table.tsx'
import { tasksOf } from './span-time.ts'
import { Throughput } from './throughput.tsx'
import { Times } from './times.tsx'

export function Charts({ overview }: { overview: Overview }) {
  const text = useText()
  const [hovered, setHovered] = useState<number | null>(null)
  const { spans, spanSeconds, taskType } = overview
  const pick = (index: number) => {
    const span = spans[index]
    if (span) go(tasksOf(span.at, spanSeconds, taskType))
  }
  const shown = { overview, hovered, onHover: setHovered, onPick: pick }
  return (
    <>
      <section className="charts" aria-label={text.overview.charts}>
        <Throughput {...shown} />
        <Times what="waiting" {...shown} />
        <Times what="running" {...shown} />
      </section>
      <FiguresTable overview={overview} />
    </>
  )
}
