import { context, type SpanContext, SpanKind, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { onTestFinished } from 'vitest'

export interface Spans {
  /** Those that have ended, in that order. */
  all(): ReadableSpan[]
  /** Its only one of the name. */
  named(name: string): ReadableSpan
}

/** OpenTelemetry as a host sets it up, until the test ends. */
export function recordSpans(sampler?: Sampler): Spans {
  const exporter = new InMemorySpanExporter()
  const spanProcessors = [new SimpleSpanProcessor({ exporter })]
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors, ...(sampler && { sampler }) }))
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  onTestFinished(() => {
    trace.disable()
    context.disable()
  })
  const all = () => exporter.getFinishedSpans()
  return {
    all,
    named(name) {
      const [span, ...others] = all().filter((one) => one.name === name)
      if (span && others.length === 0) return span
      throw new Error(`${others.length + Number(span !== undefined)} spans are named ${name}`)
    },
  }
}

/** What of a span the tests compare. */
export function shown(span: ReadableSpan) {
  const { name, kind, attributes, status, events } = span
  return { name, kind: SpanKind[kind], attributes, status, events: events.map((one) => one.attributes) }
}

export const idsOf = ({ traceId, spanId }: SpanContext) => ({ traceId, spanId })
export const parentOf = ({ parentSpanContext }: ReadableSpan) => parentSpanContext && idsOf(parentSpanContext)
export const linksOf = ({ links }: ReadableSpan) => links.map((link) => idsOf(link.context))
export const idOf = (span: ReadableSpan) => idsOf(span.spanContext())
