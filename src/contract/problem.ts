import { z } from 'zod'

export const problem = z.object({
  status: z.int(),
  title: z.string(),
  detail: z.string(),
  code: z.string().describe('Stable code in UPPER_SNAKE case.'),
  errors: z.array(z.object({ pointer: z.string().describe('JSON pointer.'), detail: z.string() })).optional(),
})

/** An error as RFC 9457 problem details. */
export interface Problem {
  /** HTTP status code. */
  status: number
  /** Name of the status. */
  title: string
  /** What went wrong, for people. */
  detail: string
  /** Stable code in UPPER_SNAKE case. */
  code: string
  /** Invalid fields; absent: none. */
  errors?:
    | {
        /** JSON pointer of the field. */
        pointer: string
        /** What was expected. */
        detail: string
      }[]
    | undefined
}
