import type { Figure, Summary } from './summary.ts'

/** A Markdown table: a row a measure, a column a system. */
export function renderTable({ systems, measures }: Summary): string {
  const names = systems.map(({ name }) => name)
  const head = ['', ...names]
  const rows = measures.map(({ title, figures }) => [
    title,
    ...names.map((name) => formatFigure(figures.find(({ system }) => system === name))),
  ])
  const widths = head.map((_, column) =>
    Math.max(3, ...[head, ...rows].map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [line(head), rule, ...rows.map(line)].join('\n')
}

export function formatFigure(figure: Figure | undefined): string {
  if (!figure) return '–'
  const { perSecond, p50Ms, p99Ms } = figure
  if (perSecond !== undefined) return `${toThreeDigits(perSecond)}/s`
  return `${formatMs(p50Ms)} / ${formatMs(p99Ms)} ms`
}

/** More digits would say more than a benchmark can know. */
function toThreeDigits(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en')
}

function formatMs(value = Number.NaN): string {
  return value < 10 ? value.toFixed(1) : String(Math.round(value))
}
