import type { Dictionary } from '../en.ts'
import { count, tasks } from './count.ts'

export const find: Dictionary['find'] = {
  periods: '创建于',
  period: { quarter: '15 分钟内', hour: '1 小时内', night: '昨晚' },
  more: '更多筛选',
  fields: {
    error: '错误文本',
    param: '参数',
    createdBy: '创建者',
    uniqueKey: '唯一键',
    executorId: '执行器',
  },
  hints: {
    error: '任意部分',
    param: '如 invoice:INV-17',
    createdBy: '用户 ID',
    uniqueKey: '完整的键',
    executorId: '执行器 ID',
  },
  sort: '排序',
  sorts: {
    created: '最新',
    ended: '最近结束',
    duration: '运行最久',
    waiting: '等待最久',
    attempts: '尝试最多',
  },
  found: (n, searched) => `在 ${tasks(searched)}中找到 ${count(n)} 个`,
  backTo: (time) => `查到 ${time}`,
  whole: '没有更早的任务',
  searching: (searched) => `正在搜索：已查 ${tasks(searched)}`,
  next: '更多',
  previous: '返回',
  stop: '停止',
  goOn: '继续搜索更早的任务',
  nothing: (searched) => `在 ${tasks(searched)}中没有找到`,
}
