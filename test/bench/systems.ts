import type { System } from './system.ts'
import { bullmq } from './systems/bullmq.ts'
import { ceiling } from './systems/ceiling.ts'
import { graphileBatched, graphilePlain } from './systems/graphile-worker.ts'
import { ours, severalServers } from './systems/ours.ts'
import { pgBossRaw, pgBossWork } from './systems/pg-boss.ts'

export const SYSTEMS: readonly System[] = [
  ours,
  ceiling,
  graphileBatched,
  graphilePlain,
  pgBossWork,
  pgBossRaw,
  bullmq,
]

/** Those that need nothing but this project. */
export const OWN_SYSTEMS: readonly System[] = [ours, ceiling]

export function findSystem(name: string): System {
  const system = [...SYSTEMS, severalServers].find((one) => one.name === name)
  if (system) return system
  throw new TypeError(`there is no system '${name}'; there are: ${SYSTEMS.map((one) => one.name).join(', ')}`)
}
