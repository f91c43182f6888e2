import { hideAt, type Paths, REDACTED } from './redacted-paths.ts'
import { formsOf, type SecretForms } from './secret-forms.ts'
import { serializeFields } from './serialize.ts'
import { type Hide, readThrown, toError } from './thrown.ts'

/** What one task's params hold at redacted paths. Can be sent to a thread. */
export interface Hidden {
  readonly paths: Paths
  readonly values: readonly unknown[]
}

/** Hides what a task's params hold at the redacted paths wherever its attempt, or a view of it, would show it. */
export class Scrubber implements Hide {
  readonly hidden: Hidden
  #forms: SecretForms | undefined

  constructor(hidden: Hidden) {
    this.hidden = hidden
  }

  get longest(): number {
    return this.#secrets.texts[0]?.length ?? 0
  }

  text(text: string): string {
    const { texts, numbers } = this.#secrets
    const left = texts.reduce((rest, secret) => rest.replaceAll(secret, REDACTED), text)
    return numbers.reduce((rest, secret) => rest.replaceAll(secret, REDACTED), left)
  }

  /** Fields of a log line, or another value, as the JSON that they are stored as. */
  data(data: unknown): unknown {
    return this.#json(serializeFields(data) ?? 'null')
  }

  /** Any value as JSON. */
  json(text: string): string {
    return JSON.stringify(this.#json(text))
  }

  /** JSON without the hidden values; what stands at the paths may be another one, and stays. */
  values(json: unknown): unknown {
    try {
      return this.#deep(json)
    } catch {
      // Nested deeper than the stack reaches: nothing of it may be seen unread.
      return REDACTED
    }
  }

  /** What was thrown, in the same words, for the log of the server. */
  error(thrown: unknown): Error | string {
    return toError(readThrown(thrown, this))
  }

  /** Most attempts say nothing: made when one does. */
  get #secrets(): SecretForms {
    this.#forms ??= formsOf(this.hidden.values)
    return this.#forms
  }

  #json(text: string): unknown {
    return this.values(hideAt(JSON.parse(text), this.hidden.paths))
  }

  #deep(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value)
    if (typeof value === 'number') return this.#secrets.exact.has(String(Math.abs(value))) ? REDACTED : value
    if (Array.isArray(value)) return value.map((item) => this.#deep(item))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.text(key), this.#deep(item)]))
  }
}
