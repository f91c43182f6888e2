import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Language, Zone } from '../../i18n/languages.ts'
import { formatNumber } from '../../i18n/number.ts'
import { formatRounded } from '../../i18n/time.ts'
import { language, useDark, zone } from '../../state/preferences.ts'
import { useStore } from '../../state/store.ts'
import { formatTick } from './span-time.ts'

/** Their cursors move together. */
const SYNC = 'overview'
const HEIGHT = 190
/** The library declares it as optional, for builds without it. */
const BARS = uPlot.paths.bars?.({ size: [0.8, 40], align: 0 }) ?? (() => null)

export interface ChartSeries {
  /** A colour of the palette. */
  readonly color: string
  readonly values: readonly (number | null)[]
}

interface Props {
  readonly kind: 'bars' | 'times'
  /** Starts of the spans, in seconds. */
  readonly at: readonly number[]
  readonly spanSeconds: number
  readonly series: readonly ChartSeries[]
  /** Read aloud by a screen reader. */
  readonly label: string
  readonly onHover: (index: number | null) => void
  readonly onPick: (index: number) => void
}

export function TimeChart(props: Props) {
  const { kind, at, spanSeconds, series, label } = props
  const isDark = useDark()
  const lang = useStore(language)
  const shownZone = useStore(zone)
  const place = useRef<HTMLDivElement>(null)
  const chart = useRef<uPlot>(undefined)
  const latest = useRef(props)
  latest.current = props
  const colors = series.map(({ color }) => color).join()

  // biome-ignore lint/correctness/useExhaustiveDependencies: other colours are read where it is dark
  useEffect(() => {
    const box = place.current
    if (!box) return
    const paint = (name: string) => colorOf(box, name)
    const plan = { kind, spanSeconds, colors: colors.split(',').map(paint), lang, zone: shownZone, paint }
    const onHover = (index: number | null) => latest.current.onHover(index)
    const onPick = (index: number) => latest.current.onPick(index)
    const options = {
      ...optionsOf(plan),
      width: box.clientWidth,
      height: HEIGHT,
      hooks: hooks(onHover, onPick),
    }
    const made = new uPlot(options, dataOf(latest.current), box)
    chart.current = made
    const resized = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height: HEIGHT }))
    resized.observe(box)
    return () => {
      resized.disconnect()
      made.destroy()
      chart.current = undefined
    }
  }, [kind, spanSeconds, colors, lang, shownZone, isDark])

  useEffect(() => chart.current?.setData(dataOf({ at, series })), [at, series])

  return <div ref={place} className="chart" role="img" aria-label={label} />
}

const dataOf = ({ at, series }: Pick<Props, 'at' | 'series'>) =>
  [at, ...series.map(({ values }) => values)] as unknown as uPlot.AlignedData

interface Plan {
  readonly kind: Props['kind']
  readonly spanSeconds: number
  readonly colors: readonly string[]
  readonly lang: Language
  readonly zone: Zone
  readonly paint: (name: string) => string
}

function optionsOf({
  kind,
  spanSeconds,
  colors,
  lang,
  zone,
  paint,
}: Plan): Omit<uPlot.Options, 'width' | 'height'> {
  const isBars = kind === 'bars'
  return {
    legend: { show: false },
    padding: [8, 8, 0, 0],
    tzDate: (at) => (zone === 'utc' ? uPlot.tzDate(new Date(at * 1_000), 'Etc/UTC') : new Date(at * 1_000)),
    cursor: { y: false, sync: { key: SYNC }, drag: { setScale: false }, points: { show: !isBars } },
    scales: {
      x: { range: (_chart, min, max) => [min - spanSeconds / 2, max + spanSeconds / 2] },
      y: isBars
        ? { range: (_chart, _min, max) => [0, Math.max(4, max * 1.05)] }
        : { distr: 3, range: (_chart, min, max) => uPlot.rangeLog(min, max, 10, false) },
    },
    axes: [
      {
        ...axis(paint),
        size: 30,
        space: 70,
        values: (_chart, ticks) => ticks.map((tick) => formatTick(tick * 1_000, spanSeconds, lang, zone)),
      },
      {
        ...axis(paint),
        size: isBars ? 48 : 62,
        values: (_chart, ticks) => ticks.map((tick) => formatValue(kind, tick, lang)),
      },
    ],
    series: [
      {},
      ...colors.map((color) =>
        isBars
          ? { fill: color, width: 0, paths: BARS, points: { show: false } }
          : { stroke: color, width: 1.5, points: { size: 4, fill: color } },
      ),
    ],
  }
}

function hooks(onHover: (index: number | null) => void, onPick: (index: number) => void): uPlot.Hooks.Arrays {
  return {
    setCursor: [(chart) => onHover(chart.cursor.idx ?? null)],
    ready: [
      (chart) => {
        chart.over.addEventListener('click', () => {
          const { idx } = chart.cursor
          if (typeof idx === 'number') onPick(idx)
        })
      },
    ],
  }
}

function axis(paint: (name: string) => string): uPlot.Axis {
  return {
    stroke: paint('--muted'),
    font: '12px system-ui, sans-serif',
    grid: { stroke: paint('--line'), width: 1 },
    ticks: { show: false },
  }
}

function formatValue(kind: Props['kind'], value: number | null, lang: Language): string {
  if (value === null) return ''
  if (kind === 'times') return formatRounded(value, lang)
  return Number.isInteger(value) ? formatNumber(value) : ''
}

/** What a canvas understands: a variable may hold one value for light and one for dark. */
function colorOf(box: HTMLElement, name: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(${name})`
  box.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}
