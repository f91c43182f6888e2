import type { LogData } from './context.ts'
import { describeError } from './outcome.ts'
import { isError, toText } from './thrown.ts'

/** Reads the arguments of a log method: message or, as in pino, fields or error first. Never throws. */
export function readLogCall(first: unknown, second: unknown): { message: string; data: LogData | undefined } {
  const words = typeof second === 'string' ? second : undefined
  if (isError(first)) return { message: words ?? describeError(first), data: withError(first, second) }
  if (typeof first === 'object' && first !== null && (words !== undefined || isPlain(first))) {
    return { message: words ?? '', data: first as LogData }
  }
  return {
    message: inWords(first),
    data: isError(second) ? { err: second } : (second as LogData | undefined),
  }
}

function withError(err: Error, fields: unknown): LogData {
  try {
    return typeof fields === 'object' ? { ...fields, err } : { err }
  } catch {
    return { err }
  }
}

function isPlain(value: object): boolean {
  try {
    const prototype: object | null = Object.getPrototypeOf(value)
    return prototype === null || Object.getPrototypeOf(prototype) === null
  } catch {
    return false
  }
}

function inWords(value: unknown): string {
  try {
    const words = String(value)
    return words.startsWith('[object ') ? toText(value) : words
  } catch {
    return toText(value)
  }
}
