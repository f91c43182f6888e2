import type { Sleep } from '../../definition/steps.ts'
import type { Fence } from '../../store/fence.ts'
import type { AttemptOutput } from '../attempt/attempt-output.ts'
import type { Cancellation } from '../attempt/cancellation.ts'
import { encodeResult } from '../attempt/result.ts'
import { type JournalServices, StepJournal } from './step-journal.ts'
import { StepRunner } from './step-runner.ts'

/** The steps of one attempt, made on first use: a handler without steps pays nothing for them. */
export class LazySteps {
  readonly #run: { id: string; fence: Fence; cancellation: Cancellation }
  readonly #output: AttemptOutput
  readonly #services: JournalServices & { readonly maxResultBytes: number }
  #journal: StepJournal | undefined
  #runner: StepRunner | undefined
  #isOver = false

  constructor(
    run: { id: string; fence: Fence; cancellation: Cancellation },
    output: AttemptOutput,
    services: JournalServices & { readonly maxResultBytes: number },
  ) {
    this.#run = run
    this.#output = output
    this.#services = services
  }

  get isUsed(): boolean {
    return this.#journal !== undefined
  }

  /** The sleep that has suspended the run. */
  get suspendedBy(): Sleep | undefined {
    return this.#journal?.suspendedBy
  }

  get journal(): StepJournal {
    const encode = (result: unknown, step: string) =>
      encodeResult(result, this.#services.maxResultBytes, (line) => this.#output.log.warn(line), step)
    this.#journal ??= new StepJournal({ ...this.#run, encode }, this.#services)
    if (this.#isOver) this.#journal.close()
    return this.#journal
  }

  get runner(): StepRunner {
    this.#runner ??= new StepRunner(this.journal)
    return this.#runner
  }

  /** Waits for the steps under way. */
  async idle(): Promise<void> {
    await this.#runner?.idle()
  }

  /** From here on no step begins. */
  close(): void {
    this.#isOver = true
    this.#journal?.close()
  }
}
