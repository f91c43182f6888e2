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
  /** For codes that a person meets; others are shown in the server's words. */
  codes: { WRONG_PASSWORD: 'The current password is wrong' } as Record<string, string>,
}

export type Dictionary = typeof en
