import { createHash } from 'node:crypto'
import { toStorable } from './outcome.ts'

/** Errors of a type that differ in numbers, ids, dates and quoted text alone are one group. */

/** What decides about the group of a longer error. */
const READ_CHARS = 1_000
const MAX_MESSAGE_CHARS = 300
/** Of the latest error of a group. */
const MAX_SAMPLE_CHARS = 1_000

const MASKS: readonly (readonly [pattern: RegExp, mask: string])[] = [
  // An apostrophe within a word is no quote.
  [/(?<!\w)'(?:[^']|'(?=\w))*'(?!\w)|"[^"]*"|`[^`]*`|“[^”]*”|‘[^’]*’|«[^»]*»/g, "'…'"],
  [
    /\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?(?: ?Z\b| ?[+-]\d\d:?\d\d\b)?|\b\d\d:\d\d:\d\d(?:\.\d+)?/g,
    '<date>',
  ],
  [/[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+/g, '<id>'],
  [/\b[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\b/gi, '<id>'],
  // Ids of task, order and the like: long, with several digits.
  [/\b(?=(?:[a-z_-]*\d){3})(?=[\d-]*[a-z_])[\w-]{16,}\b/gi, '<id>'],
  [/\b(?=\d*[a-f])(?=[a-f]*\d)[\da-f]{7,}\b/gi, '<id>'],
  [/\d+(?:[.,]\d+)*/g, '#'],
  [/\s+/g, ' '],
]

/** The text that the errors of a group have in common. */
export function maskError(error: string): string {
  let message = error.slice(0, READ_CHARS)
  for (const [pattern, mask] of MASKS) message = message.replace(pattern, mask)
  return toStorable(message.trim().slice(0, MAX_MESSAGE_CHARS))
}

/** Of `message` as `maskError` returns it; '' stands for all messages beyond the bound. */
export function groupIdOf(taskType: string, message: string): string {
  return createHash('sha256').update(`${taskType}\n${message}`).digest('hex').slice(0, GROUP_ID_CHARS)
}

export function errorGroupOf(taskType: string, error: string): string {
  return groupIdOf(taskType, maskError(error))
}

export const GROUP_ID_CHARS = 16

/** Failures of one group that were counted together. */
export interface CountedErrors {
  readonly groupId: string
  readonly message: string
  sample: string
  taskId: string
  count: number
}

/** Distinct groups that are counted at a time: messages may differ in a way that no mask knows. */
const MAX_COUNTED = 100

/** Counts of errors by type and message, a bounded number of them. */
export class ErrorCounts {
  readonly #types = new Map<string, Map<string, CountedErrors>>()
  #size = 0

  add(taskType: string, taskId: string, error: string): void {
    const counted = this.#find(taskType, maskError(error))
    counted.count += 1
    counted.sample = toStorable(error.slice(0, MAX_SAMPLE_CHARS))
    counted.taskId = taskId
  }

  /** Each with its type. */
  list(): (CountedErrors & { readonly taskType: string })[] {
    return [...this.#types].flatMap(([taskType, groups]) =>
      [...groups.values()].map((counted) => ({ ...counted, taskType })),
    )
  }

  #find(taskType: string, message: string): CountedErrors {
    let groups = this.#types.get(taskType)
    if (!groups) {
      groups = new Map()
      this.#types.set(taskType, groups)
    }
    const known = groups.get(message)
    if (known) return known
    if (this.#size >= MAX_COUNTED && message !== '') return this.#find(taskType, '')
    this.#size += 1
    const made = { groupId: groupIdOf(taskType, message), message, sample: '', taskId: '', count: 0 }
    groups.set(message, made)
    return made
  }
}
