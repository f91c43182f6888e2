import type { TaskListQuery } from '../client/index.ts'

/** Which tasks a list shows, or a bulk action takes. */
export type TaskFilter = Omit<TaskListQuery, 'page' | 'pageSize' | 'cursor'>

/** A name and a value are a param, unless a type has a colon in its name. */
export function readTyped(typed: string, types: readonly string[]): Pick<TaskFilter, 'q' | 'param'> {
  const isOfType = types.some((type) => type.toLowerCase().includes(typed.toLowerCase()))
  const isParam = /^[^:\s]{1,100}:./.test(typed) && !isOfType
  return isParam ? { q: undefined, param: typed } : { q: typed || undefined, param: undefined }
}
