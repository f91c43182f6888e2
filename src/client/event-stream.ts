import { readChunks, tooLarge } from './request.ts'

export interface StreamMessage {
  /** `message` unless the server names it. */
  readonly event: string
  readonly data: string
  /** The last id that the stream has given. */
  readonly id: string | undefined
}

/** Reads `text/event-stream` as the HTML standard specifies, from chunks that may end anywhere. */
export class EventStreamParser {
  /** How long the server asks to wait before the next connection, in milliseconds. */
  retryMs: number | undefined
  /** Parts of the line that has not ended yet: joined once, however small the chunks are. */
  #parts: string[] = []
  #chars = 0
  #started = false
  /** The last character was a carriage return: a line feed after it belongs to it. */
  #skipsLineFeed = false
  #event = ''
  #data: string[] = []
  #id: string | undefined

  /** Characters that wait for the rest of their event. */
  get waitingChars(): number {
    return this.#chars
  }

  push(chunk: string): StreamMessage[] {
    let text = chunk
    if (text === '') return []
    if (!this.#started) text = text.replace(/^\uFEFF/, '')
    this.#started = true
    if (this.#skipsLineFeed && text.startsWith('\n')) text = text.slice(1)
    this.#skipsLineFeed = chunk.endsWith('\r')
    this.#chars += text.length
    const messages: StreamMessage[] = []
    const lines = text.split(/\r\n|\n|\r/)
    const rest = lines.pop() ?? ''
    for (const end of lines) {
      const message = this.#take(this.#parts.join('') + end)
      this.#parts = []
      if (message) messages.push(message)
    }
    if (rest !== '') this.#parts.push(rest)
    return messages
  }

  #take(line: string): StreamMessage | undefined {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') this.#event = value
    if (field === 'data') this.#data.push(value)
    if (field === 'id' && !value.includes('\0')) this.#id = value
    if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value)
    return undefined
  }

  #dispatch(): StreamMessage | undefined {
    const data = this.#data
    const event = this.#event === '' ? 'message' : this.#event
    this.#data = []
    this.#event = ''
    this.#chars = 0
    return data.length === 0 ? undefined : { event, data: data.join('\n'), id: this.#id }
  }
}

/** The messages of a response until it ends. `onBytes` is called for every chunk, comments too. */
export async function* readMessages(
  response: Response,
  parser: EventStreamParser,
  options: { maxBytes: number; signal?: AbortSignal; onBytes: () => void },
): AsyncGenerator<StreamMessage> {
  const decoder = new TextDecoder()
  for await (const chunk of readChunks(response, options.signal)) {
    options.onBytes()
    yield* parser.push(decoder.decode(chunk, { stream: true }))
    if (parser.waitingChars > options.maxBytes) throw tooLarge(response.status, options.maxBytes)
  }
}
