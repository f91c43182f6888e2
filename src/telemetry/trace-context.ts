import type { createTraceState, isSpanContextValid, SpanContext } from '@opentelemetry/api'

interface Api {
  readonly createTraceState: typeof createTraceState
  readonly isSpanContextValid: typeof isSpanContextValid
}

/** W3C's limit below which every participant passes it on. */
const MAX_STATE_CHARS = 512

const STORED = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?: (.+))?$/

/**
 * The text of the column `trace_context`: W3C's `traceparent` and, after a space, `tracestate`. Not by the propagator
 * that the host has set, if any: processes that share a table need not share one. Null: there is nothing to link to.
 */
export function formatTraceContext(context: SpanContext, { isSpanContextValid }: Api): string | null {
  if (!isSpanContextValid(context)) return null
  const { traceId, spanId, traceFlags, traceState } = context
  const parent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
  const state = traceState?.serialize() ?? ''
  return state === '' || state.length > MAX_STATE_CHARS ? parent : `${parent} ${state}`
}

/** Undefined for what is no context. */
export function parseTraceContext(
  text: string | null | undefined,
  { createTraceState, isSpanContextValid }: Api,
): SpanContext | undefined {
  const [, traceId = '', spanId = '', flags = '', state] = STORED.exec(text ?? '') ?? []
  const context: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(state === undefined ? {} : { traceState: createTraceState(state) }),
  }
  return isSpanContextValid(context) ? context : undefined
}
