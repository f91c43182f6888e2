import { account } from './en/account.ts'
import { activity } from './en/activity.ts'
import { app, json, login, palette, shortcuts } from './en/app.ts'
import { errors } from './en/errors.ts'
import { executors } from './en/executors.ts'
import { find } from './en/find.ts'
import { form, schedules, types } from './en/forms.ts'
import { actions, list } from './en/list.ts'
import { outcome, overview, status } from './en/overview.ts'
import { detail, log } from './en/task.ts'

export const en = {
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
  /** For codes that come without words of the server, or with words for programs. */
  codes: {
    WRONG_PASSWORD: 'The current password is wrong',
    NETWORK_ERROR: 'No response from the server',
    TASK_NOT_FOUND: 'There is no such task',
    TASK_ALREADY_FINISHED: 'The task has ended already',
    TASK_NOT_FINISHED: 'The task has not ended yet',
    TASK_STILL_STOPPING: 'The handler of the last attempt has not stopped yet',
    TASK_BUSY: 'An open transaction holds the task; try again later',
    CANCEL_PENDING: 'Cancel requested: it takes effect when the transaction that holds the task ends',
    DUPLICATE_TASK: 'An unfinished task has the same unique key',
  } as Record<string, string>,
  /** By code, what the server says, and what is said instead. */
  sentences: {} as Record<string, readonly (readonly [RegExp, string])[]>,
}

export type Dictionary = typeof en
