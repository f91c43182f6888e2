/** Counts stop here. */
export const MAX_EXACT_TOTAL = 10_000
