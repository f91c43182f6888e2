import { Command } from 'commander'
import { z } from 'zod'
import { type CommandRun, examples } from '../call.ts'
import { managerAction } from '../manager-call.ts'
import { serveTools } from '../mcp/serve.ts'
import { toolsOf } from '../mcp/tools.ts'

const options = z.strictObject({ allowWrites: z.boolean().default(false) })

export function mcpCommand(run: CommandRun): Command {
  return new Command('mcp')
    .summary('serves tasks, logs and doctor to an assistant, over stdio')
    .description(
      'serves tasks, logs and doctor to an assistant as a server of the Model Context Protocol, on stdin and stdout. It only reads, and needs the package @modelcontextprotocol/sdk',
    )
    .option(
      '--allow-writes',
      'also creates, cancels, retries and deletes tasks, pauses types and runs schedules',
    )
    .addHelpText('after', examples('mcp', 'mcp --allow-writes'))
    .action(
      managerAction(run, async (given) => {
        const { allowWrites } = given.call.options(options)
        const tools = toolsOf(given).filter(({ writes }) => allowWrites || !writes)
        await serveTools(tools, given.call)
      }),
    )
}
