import type { Figure, MeasuredRow, Summary } from './summary.ts'

type Format = (figure: Figure | undefined) => string

/** Markdown: a table of rates and times, and one of CPU time, if that was measured. */
export function renderTable(summary: Summary): string {
  const measured = summary.measures.filter(({ figures }) => figures.some(hasCpu))
  const figures = render(summary, summary.measures, '', formatFigure)
  if (measured.length === 0) return figures
  return `${figures}\n\n${render(summary, measured, 'CPU per task, server / clients', formatCpu)}`
}

/** A row a measure, a column a system. */
function render(
  { systems }: Summary,
  measures: readonly MeasuredRow[],
  heading: string,
  format: Format,
): string {
  const names = systems.map(({ name }) => name)
  const head = [heading, ...names]
  const rows = measures.map(({ title, figures }) => [
    title,
    ...names.map((name) => format(figures.find(({ system }) => system === name))),
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
  return `${formatShort(p50Ms)} / ${formatShort(p99Ms)} ms`
}

function hasCpu({ clientCpuMicros }: Figure): boolean {
  return clientCpuMicros !== undefined
}

function formatCpu(figure: Figure | undefined): string {
  if (!figure || !hasCpu(figure)) return '–'
  const { serverCpuMicros, clientCpuMicros } = figure
  return `${serverCpuMicros === undefined ? '–' : formatShort(serverCpuMicros)} / ${formatShort(clientCpuMicros)} µs`
}

/** More digits would say more than a benchmark can know. */
function toThreeDigits(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en')
}

function formatShort(value = Number.NaN): string {
  return value < 10 ? value.toFixed(1) : String(Math.round(value))
}
