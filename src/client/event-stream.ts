import { readChunks, tooLarge } from './request.ts'

export interface StreamMessage {
  /** `message` unless the server names it. */
  readonly event: string
  readonly data: string
  /** The last id that the stream has given. */
  readonly id: string | undefined
}

/** Reads `text/event-stream` as the HTML standard says, from chunks that may end anywhere. */
export class EventStreamParser {
  /** How long the server asks to wait before the next connection. */
  retryMs: number | undefined
  #rest = ''
  #started = false
  #event = ''
  #data: string[] = []
  #id: string | undefined

  /** Characters that wait for the rest of their event. */
  get waitingChars(): number {
    return this.#data.reduce((chars, line) => chars + line.length, this.#rest.length)
  }

  push(text: string): StreamMessage[] {
    let all = this.#rest + text
    if (!this.#started && all !== '') {
      this.#started = true
      all = all.replace(/^\uFEFF/, '')
    }
    // A carriage return at the end may be the first half of a line's end.
    const usable = all.endsWith('\r') ? all.slice(0, -1) : all
    const lines = usable.split(/\r\n|\n|\r/)
    this.#rest = (lines.pop() ?? '') + all.slice(usable.length)
    return lines.flatMap((line) => this.#take(line) ?? [])
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
    return data.length === 0 ? undefined : { event, data: data.join('\n'), id: this.#id }
  }
}

/** The messages of a response until it ends. `onBytes` hears of every sign of life, comments too. */
export async function* readMessages(
  response: Response,
  parser: EventStreamParser,
  options: { maxBytes: number; onBytes: () => void },
): AsyncGenerator<StreamMessage> {
  const decoder = new TextDecoder()
  for await (const chunk of readChunks(response)) {
    options.onBytes()
    yield* parser.push(decoder.decode(chunk, { stream: true }))
    if (parser.waitingChars > options.maxBytes) throw tooLarge(response.status, options.maxBytes)
  }
}
