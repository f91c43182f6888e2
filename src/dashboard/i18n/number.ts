/** As both languages of the page write numbers; the browser's own may write 1.234 for what they call 1,234. */
export function formatNumber(value: number, digits = 0): string {
  return value.toLocaleString('en', { maximumFractionDigits: digits })
}
