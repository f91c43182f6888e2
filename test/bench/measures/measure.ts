import type { Subject } from '../subject.ts'
import type { MeasureName } from '../system.ts'

/** What one round found out about one system. */
export interface Sample {
  readonly perSecond?: number
  readonly p50Ms?: number
  readonly p99Ms?: number
  /** CPU time per task, of PostgreSQL and of the measuring processes. */
  readonly serverCpuMicros?: number
  readonly clientCpuMicros?: number
}

export interface Measure {
  /** In results, unique. */
  readonly name: string
  /** Which systems take part. */
  readonly of: MeasureName
  /** For people. */
  readonly title: string
  /** @param scale 1: as long as it takes to be sure; less: shorter */
  take(subject: Subject, scale: number): Promise<Sample>
}
