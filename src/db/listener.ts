import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { within } from '../engine/runtime/timeouts.ts'
import { prepareSession } from './session.ts'

/** Interval of notifications to itself: a half-open connection gives no other sign. */
const PROBE_INTERVAL_MS = 10_000
const PROBE_TIMEOUT_MS = 5_000
const PROBE = 'probe '

/** Proves to the listener with this id that notifications arrive. */
export function probePayload(id: string): string {
  return PROBE + id
}

/** LISTEN succeeds, but no notification arrives. */
export class NotificationsDoNotArrive extends Error {
  override readonly name = 'NotificationsDoNotArrive'
}

export interface ListenerOptions {
  readonly connection: pg.ClientConfig
  readonly channel: string
  /** Sends over another connection: its own would prove nothing. */
  notify(payload: string): Promise<void>
  onMessage(payload: string): void
  /** Called after every successful LISTEN: earlier notifications are lost. */
  onListening(): Promise<void>
  /** Other statements of the process notify it with `probePayload(id)`: while they do, it sends none of its own. */
  readonly proofs?: { readonly id: string; intervalMs(): number | undefined }
}

/**
 * LISTENs on one connection until the signal aborts. Throws if the connection breaks, or a notification to itself does
 * not arrive, at the start (a pooler in transaction mode) or later (a half-open socket); its supervisor restarts it.
 */
export async function listen(
  options: ListenerOptions,
  signal: AbortSignal,
  passed: () => void,
): Promise<void> {
  const client = new pg.Client({
    ...options.connection,
    keepAlive: true,
    keepAliveInitialDelayMillis: PROBE_INTERVAL_MS,
    connectionTimeoutMillis: PROBE_TIMEOUT_MS,
    application_name: 'fastify-async-tasks listener',
  })
  const broken = new AbortController()
  client.on('error', (error) => broken.abort(error))
  client.on('end', () => broken.abort(new Error('the connection that listens was closed')))
  const arrived = new Map<string, () => void>()
  const own = options.proofs && probePayload(options.proofs.id)
  let provenAt = 0
  const untilProbe = () => {
    const intervalMs = options.proofs?.intervalMs()
    return provenAt + (intervalMs ? intervalMs + PROBE_TIMEOUT_MS : PROBE_INTERVAL_MS) - performance.now()
  }
  client.on('notification', ({ payload = '' }) => {
    if (payload === own) provenAt = performance.now()
    else if (payload.startsWith(PROBE)) arrived.get(payload)?.()
    else options.onMessage(payload)
  })

  const over = AbortSignal.any([signal, broken.signal])
  try {
    await client.connect()
    // Removes session limits: it is idle by design.
    await prepareSession(client)
    await client.query(`listen ${pg.escapeIdentifier(options.channel)}`)
    await probe(options, arrived, over)
    provenAt = performance.now()
    if (!over.aborted) await options.onListening()
    while (!over.aborted) {
      passed()
      await elapsed(Math.max(0, untilProbe()), over)
      if (over.aborted || untilProbe() > 0) continue
      await probe(options, arrived, over)
      provenAt = performance.now()
    }
    if (!signal.aborted) throw broken.signal.reason
  } finally {
    await close(client)
  }
}

async function probe(
  { notify }: ListenerOptions,
  arrived: Map<string, () => void>,
  over: AbortSignal,
): Promise<void> {
  const payload = PROBE + randomUUID()
  const { promise, resolve } = Promise.withResolvers<true>()
  arrived.set(payload, () => resolve(true))
  try {
    await notify(payload)
    const didArrive = await Promise.race([promise, elapsed(PROBE_TIMEOUT_MS, over)])
    if (didArrive || over.aborted) return
    throw new NotificationsDoNotArrive(
      `a notification did not arrive within ${PROBE_TIMEOUT_MS} ms: is a pooler in transaction mode in between? ` +
        'Polling goes on; a direct connection string makes wake-ups and cancels immediate',
    )
  } finally {
    arrived.delete(payload)
  }
}

/** Resolves after `ms` or at the signal. */
async function elapsed(ms: number, signal: AbortSignal): Promise<undefined> {
  await delay(ms, undefined, { signal }).catch(() => {})
}

/** A dead server never responds to the close: waits a second at most. */
async function close(client: pg.Client): Promise<void> {
  client.removeAllListeners('notification')
  const ended = client.end().catch(() => {})
  await within(1_000, ended)
}
