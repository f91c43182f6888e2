import { setTimeout as pause } from 'node:timers/promises'
import { task } from 'fastify-async-tasks'
import { z } from 'zod'

export const importContacts = task('import_contacts', {
  params: z.object({ addresses: z.array(z.string()).min(1).max(1_000) }),
  timeoutSeconds: 600,
})(async ({ addresses }, ctx) => {
  let imported = 0
  for (const [index, address] of addresses.entries()) {
    await pause(200, undefined, { signal: ctx.signal }) // stands for the work
    if (z.email().safeParse(address).success) imported += 1
    else ctx.log.warn(`${address} is no address`)
    ctx.progress(index + 1, addresses.length, address)
  }
  return { imported, skipped: addresses.length - imported }
})
