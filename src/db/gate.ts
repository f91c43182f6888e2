/** Holds statements until the database is ready, and refuses them once the app has closed. */
export class Gate {
  #held: Promise<void> | undefined

  get isOpen(): boolean {
    return this.#held === undefined
  }

  /** Statements await it before they are sent; undefined: the gate is open. */
  get held(): Promise<void> | undefined {
    return this.#held
  }

  /** Closed until `opened` resolves; if it rejects, so does every statement. */
  holdUntil(opened: Promise<void>): void {
    this.#held = opened
    opened.then(
      () => {
        if (this.#held === opened) this.#held = undefined
      },
      // Each waiting statement rejects by itself.
      () => {},
    )
  }

  close(refusal: Error): void {
    this.#held = Promise.reject(refusal)
    this.#held.catch(() => {})
  }
}
