import type { Dictionary } from './en.ts'
import { activity } from './zh/activity.ts'
import { app, json, login, shortcuts } from './zh/app.ts'
import { form, schedules, types } from './zh/forms.ts'
import { actions, list } from './zh/list.ts'
import { outcome, overview, status } from './zh/overview.ts'
import { detail, log } from './zh/task.ts'

export const zh: Dictionary = {
  app,
  login,
  status,
  outcome,
  overview,
  list,
  actions,
  detail,
  log,
  form,
  types,
  schedules,
  activity,
  shortcuts,
  json,
  codes: {
    TASK_NOT_FOUND: '没有这个任务',
    TASK_ALREADY_FINISHED: '任务已经结束',
    TASK_NOT_FINISHED: '任务尚未结束',
    TASK_NOT_PENDING: '任务已不在等待，无法修改',
    TASK_STILL_STOPPING: '上一次尝试的处理函数还没有停止',
    TASK_BUSY: '任务被一个尚未结束的事务占用，请稍后再试',
    CANCEL_PENDING: '已请求取消：占用任务的事务结束后生效',
    DUPLICATE_TASK: '已有使用同一唯一键的未结束任务',
    UNKNOWN_TASK_TYPE: '未知的任务类型',
    INVALID_PARAMS: '参数不正确',
    DATABASE_UNAVAILABLE: '数据库暂时不可用',
    FORBIDDEN: '只有管理员可以这样做',
    UNREACHABLE: '无法连接服务器',
    INTERNAL: '服务器内部错误',
  },
}
