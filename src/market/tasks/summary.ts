import type { WriteCounts } from '../store/write-unit.ts'

export function noCounts(): WriteCounts {
  return { created: 0, updated: 0, skipped: 0 }
}

export function addCounts(a: WriteCounts, b: WriteCounts): WriteCounts {
  return { created: a.created + b.created, updated: a.updated + b.updated, skipped: a.skipped + b.skipped }
}
