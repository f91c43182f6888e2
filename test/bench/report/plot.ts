import type { Figure, MeasuredRow, Summary } from './summary.ts'
import { formatFigure } from './table.ts'

const WIDTH = 760
const NAMES_WIDTH = 190
const VALUES_WIDTH = 130
const BAR = 18
const GAP = 6
const TITLE = 34

/** What the picture shows; the table has the rest. */
const PLOTTED = ['create-50', 'bulk', 'run-1', 'run-4', 'pick-up-elsewhere']

/**
 * Bars, a panel a measure, each with a scale of its own from zero. The colours follow the reader's light or dark
 * scheme, also where the picture is embedded as an image.
 */
export function renderPlot({ measures, rounds }: Summary): string {
  const rows = measures.filter(({ name, figures }) => PLOTTED.includes(name) && figures.length > 0)
  const panels: string[] = []
  let top = 12
  for (const row of rows) {
    panels.push(`<g transform="translate(0 ${top})">${renderPanel(row)}</g>`)
    top += TITLE + row.figures.length * (BAR + GAP) + 18
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}" role="img">
<title>Job runners on one PostgreSQL, medians of ${rounds} rounds</title>
<style>
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 14px }
  .note { fill: #57606a }
  .bar { fill: #8c959f }
  .own { fill: #1a7f37 }
  .bound { fill: none; stroke: #1a7f37; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .note { fill: #9198a1 }
    .bar { fill: #6e7681 }
    .own { fill: #3fb950 }
    .bound { stroke: #3fb950 }
  }
</style>
${panels.join('\n')}
</svg>
`
}

function renderPanel({ title, figures }: MeasuredRow): string {
  const isRate = figures.some(({ perSecond }) => perSecond !== undefined)
  const longest = Math.max(...figures.map(lengthOf))
  const note = isRate ? 'tasks a second, longer is better' : 'p50 / p99, shorter is better; bars show p99'
  const heading =
    `<text class="title" x="0" y="14">${escapeXml(title)}` +
    `<tspan class="note" font-weight="400" dx="8">${note}</tspan></text>`
  const bars = figures.map((figure, i) => renderBar(figure, i, longest))
  return [heading, ...bars].join('\n')
}

function renderBar(figure: Figure, place: number, longest: number): string {
  const y = TITLE - 8 + place * (BAR + GAP)
  const room = WIDTH - NAMES_WIDTH - VALUES_WIDTH
  const length = Math.max(1, (lengthOf(figure) / longest) * room).toFixed(1)
  const kind = { 'fastify-async-tasks': 'own', ceiling: 'bound' }[figure.system] ?? 'bar'
  const middle = y + BAR - 5
  return (
    `<text x="${NAMES_WIDTH - 8}" y="${middle}" text-anchor="end">${escapeXml(figure.system)}</text>` +
    `<rect class="${kind}" x="${NAMES_WIDTH}" y="${y}" width="${length}" height="${BAR}" rx="2"/>` +
    `<text x="${(NAMES_WIDTH + Number(length) + 8).toFixed(1)}" y="${middle}">${formatFigure(figure)}</text>`
  )
}

function lengthOf({ perSecond, p99Ms = 0 }: Figure): number {
  return perSecond ?? p99Ms
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
