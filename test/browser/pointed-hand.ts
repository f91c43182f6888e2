import { setTimeout as pause } from 'node:timers/promises'
import type { Locator, Page } from 'playwright-core'

const ARROW = 'M1 1 L1 19 L6 15 L9 22 L12 21 L9 14 L15 14 Z'
const STEPS = 6
const STEP_MS = 25
const PAUSE_MS = 150

/** Shows where the mouse is: pictures of a page have no pointer. */
export async function addPointer(page: Page): Promise<void> {
  await page.evaluate((arrow) => {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
    const shape = document.createElementNS('http://www.w3.org/2000/svg', 'path')
    shape.setAttribute('d', arrow)
    shape.setAttribute('fill', '#111')
    shape.setAttribute('stroke', '#fff')
    svg.append(shape)
    const fixed = { position: 'fixed', left: '0', top: '0', width: '18px', height: '24px' }
    Object.assign(svg.style, fixed, { zIndex: '9999', pointerEvents: 'none' })
    document.documentElement.append(svg)
    document.addEventListener('mousemove', ({ clientX, clientY }) => {
      svg.style.transform = `translate(${clientX}px, ${clientY}px)`
    })
  }, ARROW)
  await page.mouse.move(480, 420)
}

/** Somebody whose mouse can be followed with the eye. */
export class PointedHand {
  readonly page: Page
  #at = { x: 480, y: 420 }

  constructor(page: Page) {
    this.page = page
  }

  async click(what: Locator): Promise<void> {
    await this.#moveTo(what)
    await this.page.mouse.down()
    await this.page.mouse.up()
    await pause(PAUSE_MS)
  }

  async choose(what: Locator, option: string): Promise<void> {
    await this.#moveTo(what)
    await what.selectOption(option)
    await pause(PAUSE_MS)
  }

  async type(what: Locator, words: string): Promise<void> {
    await this.click(what)
    await what.pressSequentially(words, { delay: 30 })
    await pause(PAUSE_MS)
  }

  async #moveTo(what: Locator): Promise<void> {
    await what.scrollIntoViewIfNeeded()
    const box = await what.boundingBox()
    if (!box) throw new Error('there is nothing to point at')
    const [x, y] = [box.x + Math.min(box.width / 2, 120), box.y + box.height / 2]
    for (let step = 1; step <= STEPS; step += 1) {
      const part = step / STEPS
      await this.page.mouse.move(this.#at.x + (x - this.#at.x) * part, this.#at.y + (y - this.#at.y) * part)
      await pause(STEP_MS)
    }
    this.#at = { x, y }
  }
}
