import { z } from 'zod'
import { TaskError } from '../../../src/engine/definition/errors.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { currentTick } from '../../../src/engine/schedules/current-tick.ts'

const { task } = createTaskRegistry()
export const report = task('report', {
  params: z.strictObject({ userId: z.int(), dry: z.boolean().default(false) }),
})(() => {})
export const ofTheDay = task('of_the_day', {
  params: z.object({
    day: z.string().default(() => (currentTick() ?? new Date(0)).toISOString().slice(0, 10)),
  }),
})(() => {})

export const nightly = { name: 'nightly', cron: '0 3 * * *', task: report, params: { userId: 7 } } as const

/** The error that the call is refused with. */
export async function refusal(work: Promise<unknown>): Promise<TaskError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof TaskError) return error
  throw error ?? new Error('nothing was refused')
}
