import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import type { PageServer } from './admin-page.ts'
import { DIALOGS, fillScreens, SCREENS, type ScreenIds } from './all-screens.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

let server: PageServer
let browser: WatchedBrowser
let page: Page
let ids: ScreenIds

useAdminPage(
  {
    tasks: createDemoTasks(),
    async prepare(running, database) {
      ids = await fillScreens(running, database)
    },
  },
  (opened) => {
    ;({ server, browser, page } = opened)
  },
)

/** Controls that a hand can reach. A line of a log is a link too, and the jump to a time names it to the keyboard. */
const CONTROLS = ':is(a[href], button, input, select, textarea, summary):not([tabindex="-1"]):not(:disabled)'

/** Marks the controls that are in sight. @returns how many there are */
const markControls = () =>
  page.evaluate((selector) => {
    const place = document.querySelector('dialog[open]') ?? document
    const seen = [...place.querySelectorAll(selector)].filter(
      (one) => one.checkVisibility({ visibilityProperty: true }) && one.closest('.toasts') === null,
    )
    for (const [index, one] of seen.entries()) one.setAttribute('data-reach', String(index))
    return seen.length
  }, CONTROLS)

interface Focused {
  readonly reach: string | null
  readonly name: string
  readonly isShown: boolean
}

/** What has the focus, and whether one sees it. */
const readFocus = () =>
  page.evaluate((): Focused => {
    const one = document.activeElement ?? document.body
    const { outlineStyle, boxShadow } = getComputedStyle(one)
    const [label] = (one as HTMLInputElement).labels ?? []
    const text = one.getAttribute('aria-label') ?? label?.textContent ?? one.textContent ?? ''
    return {
      reach: one.getAttribute('data-reach'),
      name: `${one.tagName} ${text.trim().slice(0, 40)}`,
      isShown: outlineStyle !== 'none' || boxShadow !== 'none',
    }
  })

/** Goes through the page by Tab alone. @returns what it did not reach, and what did not show that it had the focus */
async function findUnreached(): Promise<string[]> {
  const count = await markControls()
  const shown = new Set<string>()
  const names = new Map<string, string>()
  // A date has several stops.
  for (let presses = 0; presses < 3 * count + 40 && names.size < count; presses += 1) {
    await page.keyboard.press('Tab')
    const { reach, name, isShown } = await readFocus()
    if (reach === null) continue
    // The last stop in a date is a button of the browser, which shows its own focus.
    if (isShown) shown.add(reach)
    names.set(reach, name)
  }
  const left = await page.evaluate(
    (known) => {
      const all = [...document.querySelectorAll('[data-reach]')]
      return all
        .filter((one) => !known.includes(one.getAttribute('data-reach') ?? ''))
        .map((one) => `not reached: ${one.outerHTML.slice(0, 120)}`)
    },
    [...names.keys()],
  )
  const unshown = [...names].filter(([reach]) => !shown.has(reach)).map(([, name]) => `not shown: ${name}`)
  return [...left, ...unshown]
}

test.each(SCREENS)(
  'Tab reaches every control of the screen "$name", and shows where it is',
  async ({ name, query, ready }) => {
    await page.goto(`${server.origin}/admin/${query(ids)}`)
    await page.locator(ready).first().waitFor()
    expect(await findUnreached()).toEqual([])
    // By now its log has been asked for, too.
    if (name === 'missing task') browser.forgive(/status of 404 .*\/task_0[/)]/)
  },
)

test.each(DIALOGS)(
  'Tab reaches every control of the dialog "$name", and Escape leaves it',
  async ({ query, open }) => {
    await page.goto(`${server.origin}/admin/${query(ids)}`)
    await open(page)
    const dialog = page.getByRole('dialog')
    await dialog.waitFor()
    expect(await findUnreached()).toEqual([])
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
  },
)
