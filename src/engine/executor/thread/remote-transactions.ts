import type { QueryRunner } from '../../../db/query-runner.ts'
import type { FromThread, ToThread } from './protocol.ts'
import { unpackError } from './unpack-error.ts'

type Answer = Extract<FromThread, { kind: 'rows' | 'queryFailed' }>

/** Statements of the main thread's in transactions that a handler holds open in its own thread. */
export class RemoteTransactions {
  readonly #send: (message: ToThread) => void
  readonly #queries = new Map<number, PromiseWithResolvers<{ rows: unknown[] }>>()
  #lastQuery = 0

  constructor(send: (message: ToThread) => void) {
    this.#send = send
  }

  /** The transaction that came with a call of the thread's. */
  of(call: number): QueryRunner {
    return {
      query: (text, values = []) => {
        const query = ++this.#lastQuery
        const answer = Promise.withResolvers<{ rows: unknown[] }>()
        this.#queries.set(query, answer)
        this.#send({ kind: 'query', call, query, text, values })
        return answer.promise
      },
    }
  }

  hear(message: Answer): void {
    const answer = this.#queries.get(message.query)
    this.#queries.delete(message.query)
    if (message.kind === 'rows') answer?.resolve({ rows: [...message.rows] })
    else answer?.reject(unpackError(message.error))
  }

  /** The thread answers no more. */
  close(): void {
    for (const { reject } of this.#queries.values())
      reject(new Error('the thread of the transaction has ended'))
    this.#queries.clear()
  }
}
