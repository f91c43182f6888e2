import { type Night, playNight } from './night.ts'
import { createNightTypes } from './night-tasks.ts'
import { type AdminPage, useAdminPage } from './use-admin-page.ts'

/** The page of a server on which a night of `count` tasks has been played, handed to `use` before the first test. */
export function useNight(count: number, use: (opened: AdminPage, night: Night) => void): void {
  let night: Night
  useAdminPage(
    {
      tasks: createNightTypes(),
      async prepare(running, filled) {
        night = await playNight(running, filled, count)
      },
    },
    (opened) => use(opened, night),
  )
}
