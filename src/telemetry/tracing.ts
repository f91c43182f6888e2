import type { Attributes, Context, Exception, Span, Tracer } from '@opentelemetry/api'
import type { CreatedTask } from '../engine/definition/create-options.ts'
import { TaskError } from '../engine/definition/errors.ts'
import { readThrown } from '../engine/definition/thrown.ts'
import type { AttemptSpan, Tracing } from '../engine/runtime/tracing.ts'
import type { ClaimedTask } from '../engine/store/claim.ts'
import type { NewTask } from '../engine/store/insert.ts'
import { described } from './described.ts'
import { formatTraceContext, parseTraceContext } from './trace-context.ts'

type Api = typeof import('@opentelemetry/api')
type AttemptEnd = Parameters<AttemptSpan['end']>[0]

const NAME = 'fastify-async-tasks'
const MAX_STATUS_CHARS = 500

const rethrow = (error: unknown): never => {
  throw error
}

/** @throws TaskError `INVALID_ARGUMENT` if `@opentelemetry/api` cannot be loaded */
export async function loadTracing(
  version: string,
  // With a catch of its own: without it, esbuild refuses to bundle a host that lacks the package.
  load: () => Promise<Api> = () => import('@opentelemetry/api').catch(rethrow),
): Promise<Tracing> {
  let api: Api
  try {
    api = await load()
  } catch (cause) {
    throw new TaskError(
      'INVALID_ARGUMENT',
      `${NAME} options: trace needs the package @opentelemetry/api, which could not be loaded: install it, or leave trace out`,
      { cause },
    )
  }
  return new OpenTelemetryTracing(api, api.trace.getTracer(NAME, version))
}

/** Spans by OpenTelemetry's conventions for messaging: a task is a message, its type the destination. */
class OpenTelemetryTracing implements Tracing {
  readonly #api: Api
  readonly #tracer: Tracer

  constructor(api: Api, tracer: Tracer) {
    this.#api = api
    this.#tracer = tracer
  }

  create(
    task: NewTask,
    insert: (traced: NewTask) => Promise<CreatedTask>,
    hide: (error: unknown) => unknown,
  ): Promise<CreatedTask> {
    const work = async (traceContext: string | null, span: Span) => {
      const created = await insert({ ...task, traceContext })
      // Not before: with a unique key in use it is another task.
      span.setAttribute('messaging.message.id', created.taskId)
      return created
    }
    return this.#produce({ taskType: task.taskType, work, hide })
  }

  createAll(
    tasks: readonly NewTask[],
    insert: (traced: readonly NewTask[]) => Promise<CreatedTask[]>,
    hide: (error: unknown) => unknown,
  ): Promise<CreatedTask[]> {
    const [taskType, ...others] = new Set(tasks.map((task) => task.taskType))
    return this.#produce({
      taskType: others.length === 0 ? taskType : undefined,
      attributes: { 'messaging.batch.message_count': tasks.length },
      work: (traceContext) => insert(tasks.map((task) => ({ ...task, traceContext }))),
      hide,
    })
  }

  startAttempt(task: ClaimedTask): AttemptSpan {
    const { ROOT_CONTEXT, SpanKind, trace } = this.#api
    const created = parseTraceContext(task.traceContext, this.#api)
    // Not the active context: that of a claim is whatever the loop was started or woken in.
    const parent = created && task.attempt === 1 ? trace.setSpanContext(ROOT_CONTEXT, created) : ROOT_CONTEXT
    const span = this.#tracer.startSpan(
      nameOf('process', task.taskType),
      {
        kind: SpanKind.CONSUMER,
        links: created ? [{ context: created }] : [],
        attributes: {
          ...attributesOf('process', 'process', task.taskType),
          'messaging.message.id': task.taskId,
          'messaging.fastify_async_tasks.attempt': task.attempt,
        },
      },
      parent,
    )
    return new OpenTelemetryAttempt(this.#api, span, trace.setSpan(ROOT_CONTEXT, span))
  }

  async #produce<T>(create: {
    readonly taskType: string | undefined
    readonly attributes?: Attributes
    readonly work: (traceContext: string | null, span: Span) => Promise<T>
    readonly hide: (error: unknown) => unknown
  }): Promise<T> {
    const { context, SpanKind, trace } = this.#api
    const { taskType, attributes, work, hide } = create
    const span = this.#tracer.startSpan(nameOf('create', taskType), {
      kind: SpanKind.PRODUCER,
      attributes: { ...attributesOf('create', 'send', taskType), ...attributes },
    })
    try {
      const traceContext = formatTraceContext(span.spanContext(), this.#api)
      return await context.with(trace.setSpan(context.active(), span), () => work(traceContext, span))
    } catch (error) {
      recordError(this.#api, span, hide(error))
      throw error
    } finally {
      span.end()
    }
  }
}

class OpenTelemetryAttempt implements AttemptSpan {
  readonly #api: Api
  readonly #span: Span
  readonly #context: Context

  constructor(api: Api, span: Span, context: Context) {
    this.#api = api
    this.#span = span
    this.#context = context
  }

  run<T>(work: () => T): T {
    return this.#api.context.with(this.#context, work)
  }

  end({ outcome, error, thrown }: AttemptEnd): void {
    this.#span.setAttribute('messaging.fastify_async_tasks.outcome', outcome)
    if (outcome === 'timed_out') recordError(this.#api, this.#span, new DOMException(error, 'TimeoutError'))
    else if (outcome === 'failed') recordError(this.#api, this.#span, thrown ?? error)
    this.#span.end()
  }
}

/** "create send_report"; without the type where there are several. */
function nameOf(operation: string, taskType: string | undefined): string {
  return taskType === undefined ? operation : `${operation} ${taskType}`
}

function attributesOf(operation: string, type: string, taskType: string | undefined): Attributes {
  return {
    'messaging.system': NAME,
    'messaging.operation.name': operation,
    'messaging.operation.type': type,
    ...(taskType === undefined ? {} : { 'messaging.destination.name': taskType }),
  }
}

function recordError({ SpanStatusCode }: Api, span: Span, thrown: unknown): void {
  const { name, message, code } = readThrown(thrown)
  span.setAttribute('error.type', String((name === 'TaskError' ? code : name) ?? '_OTHER'))
  span.recordException(exceptionOf(thrown))
  span.setStatus({ code: SpanStatusCode.ERROR, message: message.slice(0, MAX_STATUS_CHARS) })
}

/** Bounded, and without its code, which the SDK would take for the type. */
function exceptionOf(thrown: unknown): Exception {
  const { error } = described(thrown)
  if (typeof error === 'string') return error
  const { name, message, stack } = error
  return stack === undefined ? { name, message } : { name, message, stack }
}
