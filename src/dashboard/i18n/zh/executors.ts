import type { Dictionary } from '../en.ts'
import { count } from './count.ts'

export const executors: Dictionary['executors'] = {
  all: '全部执行器',
  gone: '这个执行器已不存在',
  lanes: (n) => `最近 15 分钟运行 ${count(n)} 次，每个槽位一行`,
  minutesAgo: (n) => (n === 0 ? '现在' : `${n} 分钟前`),
  started: '开始于',
  version: (version) => `版本 ${version}`,
  omitted: (n) => `这段时间内另有 ${count(n)} 次较短的运行未显示。`,
}
