/**
 * Where statements wait until the database is ready for them, and are refused once the app has closed. Open, it costs
 * nothing.
 */
export class Gate {
  #held: Promise<void> | undefined

  get isOpen(): boolean {
    return this.#held === undefined
  }

  /** What a statement awaits before it is sent; undefined while the gate is open. */
  get held(): Promise<void> | undefined {
    return this.#held
  }

  /** Closed until `opened` resolves; where it rejects, every statement is refused by the same error. */
  holdUntil(opened: Promise<void>): void {
    this.#held = opened
    opened.then(
      () => {
        if (this.#held === opened) this.#held = undefined
      },
      // Each statement that waits rejects by itself.
      () => {},
    )
  }

  close(refusal: Error): void {
    this.#held = Promise.reject(refusal)
    this.#held.catch(() => {})
  }
}
