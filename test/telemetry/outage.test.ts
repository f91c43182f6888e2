import { beforeEach, expect, test } from 'vitest'
import { TaskEvents } from '../../src/engine/runtime/events.ts'
import { GaveUp, persist } from '../../src/engine/runtime/persist.ts'
import { logTaskEvents } from '../../src/telemetry/log.ts'

const away = () => Object.assign(new Error('gone'), { code: 'ECONNREFUSED' })
const conflict = () => Object.assign(new Error('try again'), { code: '40001' })
const refused = () => Object.assign(new Error('no such column'), { code: '42703' })

let events: TaskEvents
let lines: string[]

beforeEach(() => {
  events = new TaskEvents()
  lines = []
  const say = (_fields: unknown, text?: string) => lines.push(text ?? '')
  logTaskEvents(events, { debug: say, info: say, warn: say, error: say })
})

/** A write that meets these errors, one a try, and then goes through. */
function write(errors: Error[], giveUp: AbortSignal = new AbortController().signal) {
  const left = [...errors]
  const attempt = async () => {
    const error = left.shift()
    if (error) throw error
  }
  return persist('a failure', attempt, { events, giveUp })
}

const began = 'the database is unreachable; handlers continue, writes wait'
const ended = 'the database is back'

test('many writes and loops in one outage are one line when it begins and one when it ends', async () => {
  events.emit('loopFailed', { loop: 'poll', error: away() })
  await Promise.all([write([away()]), write([away(), away()]), write([away()])])
  expect(lines).toEqual([began])
  events.emit('loopRecovered', { loop: 'poll', failures: 2 })
  expect(lines).toEqual([began, ended])
})

test('an outage ends with a write that is then refused permanently, and the next one is logged again', async () => {
  await expect(write([away(), refused()])).rejects.toThrow('no such column')
  expect(lines).toEqual([began, ended])
  await write([away()])
  expect(lines).toEqual([began, ended, began, ended])
})

test('a write that met a conflict does not end the outage of another one of its kind', async () => {
  events.emit('writeDelayed', { write: Symbol('another'), what: 'a failure', error: away() })
  await write([conflict()])
  expect(lines).toEqual([began, 'write failed and is retried'])
})

test('a write that is given up does not end the outage', async () => {
  await expect(write([away()], AbortSignal.abort())).rejects.toThrow(GaveUp)
  expect(lines).toEqual([began])
  await write([away()])
  expect(lines).toEqual([began, began, ended])
})
