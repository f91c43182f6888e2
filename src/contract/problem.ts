import { z } from 'zod'

/** An error as RFC 9457 problem details; `errors` lists the invalid fields. */
export const problem = z.object({
  status: z.int(),
  title: z.string(),
  detail: z.string(),
  code: z.string().describe('Stable code in UPPER_SNAKE case.'),
  errors: z.array(z.object({ pointer: z.string().describe('JSON pointer.'), detail: z.string() })).optional(),
})
export type Problem = z.output<typeof problem>
