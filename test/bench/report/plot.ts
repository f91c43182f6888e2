import type { Summary } from './summary.ts'
export function renderPlot(_summary: Summary): string {
  return ''
}
