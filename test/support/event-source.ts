import { EventStreamParser, readMessages, type StreamMessage } from '../../src/client/event-stream.ts'

export interface OpenEvents extends AsyncDisposable {
  readonly response: Response
  /** The next event; undefined when the stream has ended. */
  next(): Promise<StreamMessage | undefined>
  /** Events up to the first that fits, which is the last of them. */
  until(fits: (event: StreamMessage) => boolean): Promise<StreamMessage[]>
  /** All that is left. */
  rest(): Promise<StreamMessage[]>
  close(): Promise<void>
}

/** Opens a stream of events, as any client would. */
export async function openEvents(url: string, headers: Record<string, string> = {}): Promise<OpenEvents> {
  const closing = new AbortController()
  const response = await fetch(url, { headers, signal: closing.signal })
  const messages = readMessages(response, new EventStreamParser(), { maxBytes: 2 ** 30, onBytes: () => {} })
  const next = async () => {
    const { done, value } = await messages.next()
    return done ? undefined : value
  }
  const until = async (fits: (event: StreamMessage) => boolean) => {
    const seen: StreamMessage[] = []
    for (;;) {
      const event = await next()
      if (!event) throw new Error(`the stream ended after: ${JSON.stringify(seen)}`)
      seen.push(event)
      if (fits(event)) return seen
    }
  }
  const rest = async () => {
    const seen: StreamMessage[] = []
    for (let event = await next(); event; event = await next()) seen.push(event)
    return seen
  }
  const close = async () => {
    closing.abort()
    await messages.return(undefined).catch(() => {})
  }
  return { response, next, until, rest, close, [Symbol.asyncDispose]: close }
}
