import type { Page } from 'playwright-core'

/** More of them make the file larger, and no clearer. */
const FRAME_SECONDS = 0.1

export interface Frame {
  readonly picture: Buffer
  /** In seconds. */
  readonly at: number
}

/** What the page shows while somebody does something there, as often as it changes. */
export async function record(page: Page, act: () => Promise<void>): Promise<Frame[]> {
  const session = await page.context().newCDPSession(page)
  const frames: Frame[] = []
  session.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
    frames.push({ picture: Buffer.from(data, 'base64'), at: metadata.timestamp ?? Date.now() / 1_000 })
    // One that arrives while the browser closes has no answer.
    session.send('Page.screencastFrameAck', { sessionId }).catch(() => {})
  })
  await session.send('Page.startScreencast', { format: 'png' })
  await act()
  await session.send('Page.stopScreencast')
  // They arrive in another order than they were taken, now and then.
  return thinOut(frames.toSorted((one, other) => one.at - other.at))
}

/** The last one of each short while. */
function thinOut(frames: readonly Frame[]): Frame[] {
  return frames.filter((frame, i) => {
    const next = frames[i + 1]
    return !next || Math.floor(next.at / FRAME_SECONDS) > Math.floor(frame.at / FRAME_SECONDS)
  })
}
