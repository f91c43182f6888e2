export const executors = {
  all: 'All executors',
  gone: 'This executor no longer exists',
  lanes: (n: number) => `${n.toLocaleString('en')} runs of the last 15 minutes, a lane for each slot`,
  minutesAgo: (n: number) => (n === 0 ? 'now' : `${n} min ago`),
  started: 'Started',
  version: (version: string) => `version ${version}`,
  omitted: (n: number) => `${n.toLocaleString('en')} shorter runs of this time are not shown.`,
}
