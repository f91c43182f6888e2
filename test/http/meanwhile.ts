/** Another user, who asks all the time. */
export function askMeanwhile(ask: () => Promise<number>): { end(): Promise<number[]> } {
  const answers: number[] = []
  let isOver = false
  const asking = (async () => {
    while (!isOver || answers.length === 0) {
      answers.push(await ask())
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })()
  return {
    async end() {
      isOver = true
      await asking
      return answers
    },
  }
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
