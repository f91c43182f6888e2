import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../src/engine/definition/task-reference.ts'

/** As long as a type may be, without a place to break. */
export const LONG_TYPE = `import_${'abcdefghij'.repeat(9)}end`
export const OVERRIDE = '\u202egnp.exe\u202c'
const COLOURED = '\u001b[32mgreen\u001b[0m and \u001b[1;31mred\u001b[m'
export const LONG_WORD = 'x'.repeat(5_000)
export const HUGE = 'y'.repeat(500_000)

/** A handler that says everything a page may be led astray by, and fails with it. */
export function createHostileTasks(): AnyTask[] {
  const { task } = createTaskRegistry()
  const say = task(LONG_TYPE, { maxRetries: 0, params: z.record(z.string(), z.json()) })((_params, ctx) => {
    ctx.progress(123_456_789, 234_567_890, `step ${OVERRIDE} ${'z'.repeat(190)}`)
    ctx.log.info(`before ${OVERRIDE} after`)
    ctx.log.warn(COLOURED)
    ctx.log.error(`bell \u0007, back \b, null-free, line\nfeed, zero\u200bwidth`)
    ctx.log.info(LONG_WORD, { [LONG_TYPE]: OVERRIDE })
    throw new Error(`cannot open ${OVERRIDE} ${COLOURED} ${LONG_WORD}`)
  })
  const wait = task(`${LONG_TYPE.slice(0, 96)}_run`)(async (_params, ctx) => {
    ctx.progress(10_000_000, 10_000_000, 'z'.repeat(200))
    await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
  })
  const described = task('described', {
    params: z.object({
      [LONG_TYPE]: z.string().describe(`${OVERRIDE} ${LONG_TYPE}`).default(LONG_WORD),
      mode: z.enum([LONG_TYPE, OVERRIDE]),
    }),
  })(() => null)
  return [say, wait, described]
}

export const HOSTILE_PARAMS = {
  [LONG_TYPE]: HUGE,
  [OVERRIDE]: `${OVERRIDE}${LONG_WORD}`,
  nested: { [LONG_TYPE]: { [LONG_TYPE]: [LONG_WORD, 1e300, null] } },
}
