import { hideAt, type Paths, REDACTED } from './redacted-paths.ts'
import { formsOf, type SecretForms } from './secret-forms.ts'
import { serializeFields } from './serialize.ts'
import { type Hide, readThrown, toError } from './thrown.ts'

export interface Hidden {
  readonly paths: Paths
  readonly values: readonly unknown[]
}

/** Redacts the secrets of one task wherever its attempt or a view would show them. */
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

  data(data: unknown): unknown {
    return this.#json(serializeFields(data) ?? 'null')
  }

  json(text: string): string {
    return JSON.stringify(this.#json(text))
  }

  /** Redacts JSON, except at the redacted paths themselves. */
  values(json: unknown): unknown {
    try {
      return this.#deep(json)
    } catch {
      // Nested too deeply to read, so all of it is redacted.
      return REDACTED
    }
  }

  /** Redacts an error for the server's log, message and stack kept. */
  error(thrown: unknown): Error | string {
    return toError(readThrown(thrown, this))
  }

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
