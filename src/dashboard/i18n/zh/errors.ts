import type { Dictionary } from '../en.ts'
import { count, tasks } from './count.ts'

const failures = (n: number) => `${count(n)} 次失败`

export const errors: Dictionary['errors'] = {
  title: '错误',
  marks: '标记',
  mark: { unseen: '未查看', seen: '已查看', all: '全部' },
  error: '错误',
  count: '失败次数',
  lastDay: '最近 24 小时',
  first: '首次',
  last: '最近',
  others: '其他消息',
  othersHint: '此类型的不同消息超过 100 种，其余合并计数。',
  latest: '最近的任务',
  failures,
  histogram: (n, most, at) =>
    n === 0 ? '最近 24 小时没有失败' : `最近 24 小时 ${failures(n)}，最多的是 ${at}：${count(most)} 次`,
  hour: (n, at) => `${at} 起 ${failures(n)}`,
  show: (n, isCapped) => (isCapped ? `查看 ${tasks(n)}及更多` : `查看 ${tasks(n)}`),
  showFailed: '查看失败的任务',
  retry: '重试',
  seen: '标记为已查看',
  unseen: '标记为未查看',
  isSeen: '已标记为已查看；一天没有失败后再次出现时会恢复为未查看',
  isUnseen: '已标记为未查看',
  none: '没有错误',
  noneText: '同类失败在这里合为一条，无论涉及多少任务。',
  noneNew: '没有未查看的错误',
  noneNewText: '所有错误都已标记为已查看。',
  showAll: '查看全部',
  filter: (message) => `错误：${message}`,
  clearFilter: '查看任意错误的任务',
}
