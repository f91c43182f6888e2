const count = (n: number) => n.toLocaleString('en')

export const find = {
  periods: 'Created in',
  period: { quarter: '15 min', hour: '1 h', night: 'Last night' },
  more: 'More filters',
  fields: {
    error: 'Error text',
    param: 'Param',
    createdBy: 'Creator',
    uniqueKey: 'Unique key',
    executorId: 'Executor',
  },
  hints: {
    error: 'any part of it',
    param: 'invoice:INV-17',
    createdBy: 'id of a user',
    uniqueKey: 'the whole key',
    executorId: 'its id',
  },
  sort: 'Sort by',
  sorts: {
    created: 'Newest',
    ended: 'Last ended',
    duration: 'Longest run',
    waiting: 'Longest wait',
    attempts: 'Most attempts',
  },
  found: (n: number, searched: number) => `${count(n)} found in ${count(searched)} tasks`,
  backTo: (time: string) => `back to ${time}`,
  whole: 'nothing older is left',
  searching: (searched: number) => `Searching: ${count(searched)} tasks so far`,
  next: 'More',
  previous: 'Back',
  stop: 'Stop',
  goOn: 'Search older tasks',
  nothing: (searched: number) => `Nothing found in ${count(searched)} tasks`,
}
