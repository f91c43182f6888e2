import { expect } from 'vitest'

/** Another user asks all the time while `work` goes on, and is always served. */
export async function whileServing(ask: () => Promise<number>, work: () => Promise<void>): Promise<void> {
  const answers: number[] = []
  let isOver = false
  const asking = (async () => {
    while (!isOver || answers.length === 0) {
      answers.push(await ask())
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })()
  try {
    await work()
  } finally {
    isOver = true
    await asking
  }
  expect(new Set(answers)).toEqual(new Set([200]))
}

/** What a stream begins with: it has no end. */
export async function readBeginning(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of stream) {
    text += String(chunk)
    // The running tasks come with the first event, as do the details of one task.
    if (text.includes('\n\n', text.indexOf('\n\n') + 2)) break
  }
  return text
}
