/** Preloaded into a worker whose clock is wrong by CLOCK_OFFSET_MS. */
const offset = Number(process.env.CLOCK_OFFSET_MS)
const rightNow = Date.now

globalThis.Date = class extends Date {
  constructor(...given: [] | ConstructorParameters<typeof Date>) {
    if (given.length === 0) super(Date.now())
    else super(...given)
  }

  static override now(): number {
    return rightNow() + offset
  }
} as DateConstructor
