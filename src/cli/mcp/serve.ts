import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { TaskError } from '../../engine/definition/errors.ts'
import { version } from '../../version.ts'
import type { Call } from '../call.ts'
import { describeError } from '../output.ts'
import type { Tool } from './tools.ts'

/** Longer results would fill an assistant's context. */
const MAX_ANSWER = 50_000

function textOf(text: string) {
  const cut = text.length - MAX_ANSWER
  if (cut <= 0) return { type: 'text' as const, text }
  const note = `[cut: ${cut} of ${text.length} characters are left out; ask for fewer tasks or lines]`
  return { type: 'text' as const, text: `${text.slice(0, MAX_ANSWER).toWellFormed()}\n${note}` }
}

/** Serves the tools until the client closes the connection, or a signal ends it. */
export async function serveTools(tools: readonly Tool[], { signal, input }: Call): Promise<void> {
  const { McpServer, StdioServerTransport } = await loadSdk()
  const server = new McpServer({ name: 'fastify-async-tasks', version })
  const open = new Set<Promise<unknown>>()
  for (const { name, description, input: inputSchema, writes, run } of tools) {
    const annotations = { readOnlyHint: !writes, openWorldHint: false }
    server.registerTool(name, { description, inputSchema, annotations }, (args) => {
      const answered = answer(run, args).finally(() => open.delete(answered))
      open.add(answered)
      return answered
    })
  }
  await server.connect(new StdioServerTransport(input))
  try {
    // The transport does not notice it.
    await Promise.race([once(input, 'end', { signal }), once(input, 'close', { signal })])
    await untilAnswered(open, signal)
  } catch (error) {
    if (!signal.aborted) throw error
  }
  await server.close()
}

async function answer(run: Tool['run'], args: Record<string, unknown>) {
  try {
    return { content: [textOf(JSON.stringify(await run(args)))] }
  } catch (error) {
    const { code, message } = describeError(error)
    return { isError: true, content: [textOf(`${code}: ${message}`)] }
  }
}

/** The last requests may come with the end of the input. A response is written in the turn in which it is there. */
async function untilAnswered(open: ReadonlySet<Promise<unknown>>, signal: AbortSignal): Promise<void> {
  do {
    await setImmediate(undefined, { signal })
    await Promise.race([Promise.all(open), once(signal, 'abort')])
  } while (open.size > 0)
  await setImmediate(undefined, { signal })
}

/** Loaded here alone: few users have it. */
async function loadSdk() {
  try {
    const [{ McpServer }, { StdioServerTransport }] = await Promise.all([
      import('@modelcontextprotocol/sdk/server/mcp.js'),
      import('@modelcontextprotocol/sdk/server/stdio.js'),
    ])
    return { McpServer, StdioServerTransport }
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new TaskError('INVALID_ARGUMENT', 'mcp needs the package @modelcontextprotocol/sdk: install it', {
      cause: error,
    })
  }
}
