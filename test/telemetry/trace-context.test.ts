import * as api from '@opentelemetry/api'
import { expect, test } from 'vitest'
import { formatTraceContext, parseTraceContext } from '../../src/telemetry/trace-context.ts'

const context = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  traceFlags: api.TraceFlags.SAMPLED,
}
const PARENT = `00-${context.traceId}-${context.spanId}-01`

test('a context is stored as W3C writes it, and read back', () => {
  expect(formatTraceContext(context, api)).toBe(PARENT)
  expect(parseTraceContext(PARENT, api)).toEqual({ ...context, isRemote: true })
  const stored = formatTraceContext({ ...context, traceState: api.createTraceState('a=1,b=2') }, api)
  expect(stored).toBe(`${PARENT} a=1,b=2`)
  expect(parseTraceContext(stored, api)?.traceState?.serialize()).toBe('a=1,b=2')
})

test('a state that is too long is left out, and an invalid context is not stored', () => {
  const long = api.createTraceState(`a=${'x'.repeat(200)},b=${'y'.repeat(200)},c=${'z'.repeat(200)}`)
  expect(formatTraceContext({ ...context, traceState: long }, api)).toBe(PARENT)
  expect(formatTraceContext(api.INVALID_SPAN_CONTEXT, api)).toBeNull()
})

test.each([
  null,
  undefined,
  '',
  'no context',
  PARENT.replace('00-', '01-'),
  PARENT.replace('0af', 'zzz'),
  `00-${'0'.repeat(32)}-${context.spanId}-01`,
])('%s is read as no context', (text) => {
  expect(parseTraceContext(text, api)).toBeUndefined()
})
