import type { Page } from 'playwright-core'

interface TraceEvent {
  name: string
  pid: number
  tid: number
  /** Microseconds; `tdur` is time on a processor, which a busy machine does not stretch. */
  ts: number
  tdur?: number
  args: { name?: string }
}

export interface MainThreadWork {
  readonly totalMs: number
  /** Of the frame that took most. */
  readonly longestFrameMs: number
  readonly frames: number
}

/** How much work of the page's main thread something takes, whatever else the machine does meanwhile. */
export async function measureMainThread(page: Page, work: () => Promise<unknown>): Promise<MainThreadWork> {
  const client = await page.context().newCDPSession(page)
  const events: TraceEvent[] = []
  client.on('Tracing.dataCollected', ({ value }) => events.push(...(value as unknown as TraceEvent[])))
  await client.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: { includedCategories: ['devtools.timeline', 'disabled-by-default-devtools.timeline'] },
  })
  await work()
  const complete = new Promise((resolve) => client.once('Tracing.tracingComplete', resolve))
  await client.send('Tracing.end')
  await complete
  await client.detach()
  return addUp(events)
}

function addUp(events: readonly TraceEvent[]): MainThreadWork {
  const threads = new Set(
    events
      .filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid} ${tid}`),
  )
  const ofMain = events
    .filter(({ pid, tid }) => threads.has(`${pid} ${tid}`))
    .sort((one, other) => one.ts - other.ts)
  let [total, frame, longest, frames] = [0, 0, 0, 0]
  for (const { name, tdur = 0 } of ofMain) {
    if (name === 'FireAnimationFrame') {
      // What came before the first one belongs to no frame.
      if (frames > 0) longest = Math.max(longest, frame)
      frame = 0
      frames += 1
    } else if (name === 'RunTask') {
      total += tdur
      frame += tdur
    }
  }
  return { totalMs: total / 1_000, longestFrameMs: longest / 1_000, frames }
}
