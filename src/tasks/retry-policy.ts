const HOUR_MS = 3_600_000

/** Milliseconds to wait after the `retry`-th failure, counted from 0: base × 2^retry, at most an hour. */
export function retryDelayMs(baseMs: number, retry: number): number {
  return Math.min(baseMs * 2 ** retry, HOUR_MS)
}
