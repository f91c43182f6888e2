import type { Dictionary } from '../en.ts'
import { tasks } from './count.ts'

export const status: Dictionary['status'] = {
  all: '全部',
  pending: '等待中',
  running: '运行中',
  completed: '已完成',
  failed: '失败',
  cancelled: '已取消',
  scheduled: '未到时间',
  retrying: '等待重试',
  stopping: '正在停止',
}

export const outcome: Dictionary['outcome'] = {
  running: '运行中',
  completed: '完成',
  failed: '失败',
  timed_out: '超时',
  cancelled: '被取消',
  interrupted: '因停机中断',
  lost: '随进程丢失',
  sleeping: '休眠',
}

export const overview: Dictionary['overview'] = {
  title: '概览',
  lastHour: '最近一小时',
  hourSummary: (completed, failed, cancelled) =>
    `最近一小时：完成 ${completed}，失败 ${failed}，取消 ${cancelled}`,
  perMinute: (time, completed, failed, cancelled) =>
    `${time}：完成 ${completed}，失败 ${failed}，取消 ${cancelled}`,
  waiting: '等待',
  nothingWaits: '没有到期的任务',
  oldest: (time) => `最久已等 ${time}`,
  executors: '执行器',
  noExecutor: '没有存活的执行器：任务不会运行',
  slots: (used, all) => `槽位 ${used}/${all}`,
  heartbeat: (time) => `${time}前心跳`,
  dead: (time) => `已 ${time}没有心跳`,
  allExecutors: (n) => `显示全部 ${n} 个`,
  stuck: (n) => `${n} 个卡住`,
  stuckHint: '有处理函数忽略停止信号并占用槽位',
  pid: (pid) => `进程 ${pid}`,
  held: (n) => `${tasks(n)}的类型已暂停`,
  orphaned: (n) => `${tasks(n)}没有对应的执行器`,
  health: {
    ok: '运行正常',
    failing: '失败较多',
    backlog: '槽位已满',
    late: '心跳延迟',
    lost: '执行器丢失',
    stuck: '有任务卡住',
    down: '未运行',
    missing: '缺少执行器',
    unknown: '未知',
  },
  healthReasons: {
    ok: '所有执行器均存活，没有任务等待槽位超过一分钟',
    failing: '最近一小时结束的任务中，失败的占五分之一以上',
    backlog: '所有槽位都在使用，到期任务已等待超过一分钟',
    late: '有执行器的心跳延迟',
    lost: '最近一小时内有执行器死亡',
    stuck: '有处理函数忽略停止信号并占用槽位',
    down: '没有存活的执行器：任务不会运行',
    missing: '有到期任务在等待：没有存活的执行器注册其类型',
    unknown: '服务器尚未回应，或无法连接',
  },
}
