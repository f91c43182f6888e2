import { tasks } from './count.ts'

const failures = (n: number) => `${n.toLocaleString('en')} ${n === 1 ? 'failure' : 'failures'}`

export const errors = {
  title: 'Errors',
  marks: 'Marks',
  mark: { unseen: 'New', seen: 'Seen', all: 'All' },
  error: 'Error',
  count: 'Failures',
  lastDay: 'Last 24 hours',
  first: 'First',
  last: 'Last',
  others: 'Other messages',
  othersHint: 'More than 100 different messages of this type: the others are counted together.',
  latest: 'Latest task',
  failures,
  histogram: (n: number, most: number, at: string) =>
    n === 0
      ? 'No failure in the last 24 hours'
      : `${failures(n)} in the last 24 hours, most at ${at}: ${most}`,
  hour: (n: number, at: string) => `${failures(n)} from ${at}`,
  show: (n: number, isCapped: boolean) => (isCapped ? `Show ${tasks(n)} and more` : `Show ${tasks(n)}`),
  showFailed: 'Show failed tasks',
  retry: 'Retry',
  seen: 'Mark as seen',
  unseen: 'Mark as new',
  isSeen: 'Marked as seen, until it fails again after a day without failures',
  isUnseen: 'Marked as new',
  none: 'No errors',
  noneText: 'Failures of the same kind share one entry here, however many tasks have failed.',
  noneNew: 'No new errors',
  noneNewText: 'All errors are marked as seen.',
  showAll: 'Show all',
  filter: (message: string) => `Error: ${message}`,
  clearFilter: 'Show tasks with any error',
}
