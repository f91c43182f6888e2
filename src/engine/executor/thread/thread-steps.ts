import { taskLost } from '../../definition/errors.ts'
import type { Due } from '../../definition/steps.ts'
import type { Fence } from '../../store/fence.ts'
import type { BegunStep, StepPort } from '../steps/step-port.ts'
import type { FromThread, Request, ThreadTask } from './protocol.ts'

export interface ThreadLink {
  call(request: Request): Promise<unknown>
  send(message: FromThread): void
  encode(result: unknown, step: string): string | null
}

/** The journal of an attempt, over the messages of its thread. A step's own transaction is opened in the thread. */
export class ThreadSteps implements StepPort {
  readonly fence: Fence
  readonly responseTimeoutMs: number
  readonly schema: string
  readonly #signal: AbortSignal
  readonly #link: ThreadLink

  constructor({ fence, responseTimeoutMs, schema }: ThreadTask, signal: AbortSignal, link: ThreadLink) {
    this.fence = fence
    this.responseTimeoutMs = responseTimeoutMs
    this.schema = schema
    this.#signal = signal
    this.#link = link
  }

  requireHeld(): void {
    if (this.#signal.aborted) throw taskLost(this.fence)
  }

  async begin(name: string): Promise<BegunStep> {
    this.requireHeld()
    return (await this.#link.call({ kind: 'stepBegan', name })) as BegunStep
  }

  abandon(name: string): void {
    this.#link.send({ kind: 'stepThrew', name })
  }

  async finish(name: string, result: string | null, durationMs: number): Promise<void> {
    await this.#link.call({ kind: 'stepFinished', name, result, durationMs })
  }

  async isCommitted(name: string): Promise<boolean> {
    return (await this.#link.call({ kind: 'stepUnknown', name })) as boolean
  }

  async sleep(name: string, until: Due | undefined): Promise<boolean> {
    return (await this.#link.call({ kind: 'sleep', name, until })) as boolean
  }

  encode(result: unknown, step: string): string | null {
    return this.#link.encode(result, step)
  }
}
