import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry, type ParamsOf, type ResultOf } from '../../../../src/index.ts'

/** What the compiler promises of tasks that run in a thread: `tsc` checks this file. */
describe('task() for a thread', () => {
  const options = { run: 'thread', module: new URL('./modules/polite.ts', import.meta.url) } as const

  test('has the result of its module, or the one that it declares', () => {
    const named = z.object({ name: z.string() })
    const polite = createTaskRegistry().task('polite', { params: named, ...options })<
      typeof import('./modules/polite.ts')
    >()
    expectTypeOf<ResultOf<typeof polite>>().toEqualTypeOf<{
      name: string
      child: string
      attempt: number
      inThread: boolean
    }>()
    expectTypeOf<ParamsOf<typeof polite>>().toEqualTypeOf<{ name: string }>()
    const counted = createTaskRegistry().task('counted', options)<{ count: number }>()
    expectTypeOf<ResultOf<typeof counted>>().toEqualTypeOf<{ count: number }>()
    const plainThread = createTaskRegistry().task('plain', options)()
    expectTypeOf<ResultOf<typeof plainThread>>().toEqualTypeOf<unknown>()
  })

  test('refuses a module that takes other params', () => {
    const neverCalled = () => {
      const params = z.object({ name: z.number() })
      // @ts-expect-error its handler takes a text
      createTaskRegistry().task('p', { params, ...options })<typeof import('./modules/polite.ts')>()
    }
    expect(neverCalled).toBeTypeOf('function')
  })
})
