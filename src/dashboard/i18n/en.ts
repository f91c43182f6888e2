import { activity } from './en/activity.ts'
import { app, json, login, shortcuts } from './en/app.ts'
import { form, schedules, types } from './en/forms.ts'
import { actions, list } from './en/list.ts'
import { outcome, overview, status } from './en/overview.ts'
import { detail, log } from './en/task.ts'

export const en = {
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
  /** For codes that a person meets; others are told in the server's words. */
  codes: {} as Record<string, string>,
}

export type Dictionary = typeof en
