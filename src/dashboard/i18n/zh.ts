import type { Dictionary } from './en.ts'
import { account } from './zh/account.ts'
import { activity } from './zh/activity.ts'
import { app, json, login, palette, shortcuts } from './zh/app.ts'
import { errors } from './zh/errors.ts'
import { executors } from './zh/executors.ts'
import { find } from './zh/find.ts'
import { form, schedules, types } from './zh/forms.ts'
import { actions, list } from './zh/list.ts'
import { outcome, overview, status } from './zh/overview.ts'
import { detail, log } from './zh/task.ts'

export const zh: Dictionary = {
  account,
  app,
  login,
  status,
  outcome,
  overview,
  list,
  actions,
  errors,
  find,
  detail,
  log,
  form,
  types,
  executors,
  schedules,
  activity,
  shortcuts,
  palette,
  json,
  codes: {
    TASK_NOT_FOUND: '没有这个任务',
    ERROR_GROUP_NOT_FOUND: '没有这个错误组',
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
    READ_ONLY: '只读用户不能修改',
    WRONG_PASSWORD: '当前密码错误',
    WEAK_PASSWORD: '密码须为 12 到 1,000 个字符，不能是用户名，也不能容易被猜到',
    USERNAME_TAKEN: '已有同名用户',
    LAST_ADMIN: '这是最后一个管理员：请先指定另一个',
    UNREACHABLE: '无法连接服务器',
    INTERNAL: '服务器内部错误',
    DATABASE_AWAY: '数据库没有响应。',
    EXECUTOR_UNHEALTHY: '当前进程的执行器无法运行任务。',
    NO_EXECUTOR: '没有存活的执行器：任务不会运行。',
    EXECUTOR_DIED: '最近 10 分钟内有执行器死亡。',
    HEARTBEAT_LATE: '有执行器错过了心跳。',
    HANDLERS_STUCK: '有处理函数忽略停止信号并占用槽位。',
    SLOTS_FULL: '所有槽位都在使用，到期任务已等待超过一分钟。',
    TYPE_UNSERVED: '有到期任务在等待：没有存活的执行器注册其类型。',
    TASKS_FAIL: '最近 5 分钟结束的任务中，失败的超过 10%。',
    SCHEDULE_FAILED: '有定时任务最近一次没有创建任务。',
    EVENT_LOOP_BLOCKED: '当前进程的事件循环被长时间阻塞。',
    TASKS_DELAYED: '数据库时钟或连接不足使任务延迟。',
  },
}
