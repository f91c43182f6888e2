import type { Dictionary } from '../en.ts'

/** The server's sentences that have numbers or causes. For other wording, the page shows the text of the code. */
export const sentences: Dictionary['sentences'] = {
  EXECUTOR_UNHEALTHY: [
    [/^The executor of the process that answers cannot run tasks: /, '当前进程的执行器无法运行任务：'],
    [/shutting down[.;] ?/, '正在停止。'],
    [/not started[.;] ?/, '尚未启动。'],
    [/the (\w+) loop has not run for (\d+) s[.;] ?/g, '$1 循环已 $2 秒没有运行。'],
  ],
  EXECUTOR_DIED: [
    [/^(\d+) executors? died in the last (\d+) minutes\.$/, '最近 $2 分钟内有 $1 个执行器死亡。'],
  ],
  HEARTBEAT_LATE: [[/^(\d+) executors? missed a heartbeat\.$/, '$1 个执行器错过了心跳。']],
  HANDLERS_STUCK: [
    [
      /^(\d+) handlers? ignored the signal to stop, and each keeps its slot\.$/,
      '$1 个处理函数忽略停止信号，各占用一个槽位。',
    ],
  ],
  SLOTS_FULL: [
    [
      /^All (\d+) slots are in use, and a due task has waited for (\d+) s\.$/,
      '全部 $1 个槽位都在使用，有到期任务已等待 $2 秒。',
    ],
  ],
  TYPE_UNSERVED: [
    [
      /^Due tasks of (\d+) types? wait for an executor: no live one has registered the type\.$/,
      '$1 个类型的到期任务在等待：没有存活的执行器注册其类型。',
    ],
  ],
  TASKS_FAIL: [
    [
      /^(\d+) of the (\d+) tasks that ended in the last (\d+) minutes failed\.$/,
      '最近 $3 分钟结束的 $2 个任务中，有 $1 个失败。',
    ],
  ],
  SCHEDULE_FAILED: [
    [/^The last tick of (\d+) schedules? created no task\.$/, '$1 个定时任务最近一次没有创建任务。'],
  ],
  EVENT_LOOP_BLOCKED: [
    [
      /^The event loop of the process that answers was blocked for ([\d.]+) s\.$/,
      '当前进程的事件循环被阻塞了 $1 秒。',
    ],
  ],
  TASKS_DELAYED: [
    [
      /the database's clock went back: tasks and schedules that were due by its earlier time wait for up to (\d+) s[.;] ?/,
      '数据库时钟回退：按先前时间到期的任务和定时任务最多等待 $1 秒。',
    ],
    [
      /all (\d+) connections of the pool have been held for (\d+) s: handlers or routes wait for one another, or the pool is too small[.;] ?/,
      '连接池的全部 $1 个连接已被占用 $2 秒：处理函数或路由在互相等待，或连接池太小。',
    ],
  ],
  TOO_MANY_REQUESTS: [
    [
      /^too many requests (?:from this address|of this user); try again in (\d+) s$/,
      '请求过多，请在 $1 秒后重试',
    ],
  ],
  TOO_MANY_SCHEDULES: [[/^there may be (\d+) schedules$/, '定时任务已达上限（$1 个）']],
  TOO_MANY_USERS: [[/^there are (\d+) users already$/, '用户已达上限（$1 个）']],
}
