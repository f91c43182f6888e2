import type { Page } from 'playwright-core'

/**
 * What is wrong with the layout of the page as it is now: a page that scrolls sideways, controls outside of the window or
 * of a box that cuts them off, controls that cover each other, text that runs out of its box, badges wider than their words.
 */
export function findLayoutFaults(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const faults: string[] = []
    const width = document.documentElement.clientWidth
    const nameOf = (element: Element) => {
      const text = element.getAttribute('aria-label') ?? element.textContent ?? ''
      return `${element.tagName.toLowerCase()}.${element.className.toString()} "${text.trim().slice(0, 30)}"`
    }
    const isSeen = (element: Element) =>
      element.checkVisibility({ visibilityProperty: true, opacityProperty: false }) &&
      element.getBoundingClientRect().width > 1 &&
      element.closest('.visually-hidden, .skip') === null
    if (document.documentElement.scrollWidth > width) faults.push('the page scrolls sideways')

    /** Scrolls on purpose: what is out of sight can be drawn into it. */
    const scrolls = (element: Element) =>
      element.matches('.tabs, header.top nav, .stack, .json, .log, pre, dialog')
    // A modal dialog covers what is behind it.
    const place = document.querySelector('dialog[open]') ?? document
    const controls = [...place.querySelectorAll('button, a, input, select, textarea, summary')].filter(isSeen)
    for (const control of controls) {
      const box = control.getBoundingClientRect()
      if (!control.closest('.tabs, header.top nav') && (box.left < -0.5 || box.right > width + 0.5)) {
        faults.push(
          `outside of the window: ${nameOf(control)} ${Math.round(box.left)} to ${Math.round(box.right)}`,
        )
      }
      for (let parent = control.parentElement; parent && !scrolls(parent); parent = parent.parentElement) {
        if (getComputedStyle(parent).overflowX === 'visible') continue
        const outer = parent.getBoundingClientRect()
        if (box.right > outer.right + 1 || box.left < outer.left - 1) {
          faults.push(`cut off by ${nameOf(parent)}: ${nameOf(control)}`)
        }
      }
    }
    for (const [index, one] of controls.entries()) {
      for (const other of controls.slice(index + 1)) {
        if (one.contains(other) || other.contains(one)) continue
        if (one.closest('header.top') !== other.closest('header.top')) continue
        // Lines that are scrolled out of sight lie behind what is around the log.
        if (one.closest('.log') !== other.closest('.log')) continue
        if (one.closest('.toasts, .news, .search-field') || other.closest('.toasts, .news, .search-field'))
          continue
        const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()]
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left)
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
        if (across > 2 && down > 2) faults.push(`${nameOf(one)} and ${nameOf(other)} cover each other`)
      }
    }
    // Text: a box whose content is wider than itself, without an ellipsis and without a way to scroll.
    for (const element of document.querySelectorAll('body *')) {
      if (
        !isSeen(element) ||
        element.closest('svg, select, input, .tabs, header.top nav, .bar') ||
        scrolls(element)
      )
        continue
      const style = getComputedStyle(element)
      if (style.display === 'inline' || style.textOverflow === 'ellipsis') continue
      if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0) {
        const hasScroller = [...document.querySelectorAll('.tabs, header.top nav')].some((one) =>
          element.contains(one),
        )
        if (!hasScroller) faults.push(`runs out of its box: ${nameOf(element)}`)
      }
    }
    for (const badge of [...document.querySelectorAll('.badge')].filter(isSeen)) {
      const words = document.createRange()
      words.selectNodeContents(badge)
      const { paddingLeft, paddingRight } = getComputedStyle(badge)
      const width =
        words.getBoundingClientRect().width + Number.parseFloat(paddingLeft) + Number.parseFloat(paddingRight)
      if (badge.getBoundingClientRect().width > width + 1)
        faults.push(`wider than its words: ${nameOf(badge)}`)
    }
    return faults
  })
}
