import { z } from 'zod'

/** An error as RFC 9457 problem details; `errors` names every field at fault. */
export const problem = z.object({
  status: z.int(),
  title: z.string(),
  detail: z.string(),
  code: z.string().describe('Stable, UPPER_SNAKE.'),
  errors: z.array(z.object({ pointer: z.string().describe('JSON pointer.'), detail: z.string() })).optional(),
})
export type Problem = z.output<typeof problem>
