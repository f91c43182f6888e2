export type Run = 'quick' | 'slow' | 'servers' | 'browser' | 'attacks' | 'chaos' | 'package' | 'long'

const ALL = 'test/**/*.test.ts'
export const BROWSER = 'test/browser/**/*.test.ts'
const SLOW = ['test/processes/**/*.test.ts', 'test/**/*.slow.test.ts']
const SERVERS = [
  'test/processes/**/*.test.ts',
  'test/{accounts,cli,docs,schema}/**/*.slow.test.ts',
  'test/app.slow.test.ts',
]
const ATTACKS = [
  'test/http/{attacks,audit-random,fuzz,owner,refused-requests}.slow.test.ts',
  'test/browser/{cross-site,markup}.test.ts',
]
const CHAOS = ['test/processes/{chaos,replicas}/**/*.test.ts']
const PACKAGE = ['test/package/**/*.test.ts']
const LONG = ['test/**/*.long.test.ts']

/** The one rule that says in which run a test file is: every file is in exactly one. */
export const RUNS: Readonly<Record<Run, { include: string[]; exclude: string[] }>> = {
  quick: { include: [ALL], exclude: [BROWSER, ...SLOW, ...PACKAGE, ...LONG] },
  slow: { include: SLOW, exclude: [BROWSER, ...SERVERS, ...ATTACKS, ...CHAOS, ...PACKAGE, ...LONG] },
  servers: { include: SERVERS, exclude: [...CHAOS, ...LONG] },
  browser: { include: [BROWSER], exclude: [...ATTACKS, ...LONG] },
  attacks: { include: ATTACKS, exclude: [] },
  chaos: { include: CHAOS, exclude: LONG },
  package: { include: PACKAGE, exclude: LONG },
  long: { include: LONG, exclude: [] },
}
