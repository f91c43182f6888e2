import { Command } from 'commander'
import { z } from 'zod'
import { type CommandRun, examples } from '../call.ts'
import { managerAction } from '../manager-call.ts'
import { serveTools } from '../mcp/serve.ts'
import { toolsOf } from '../mcp/tools.ts'

const options = z.strictObject({
  allowWrites: z.boolean().default(false),
  withParams: z.boolean().default(false),
})

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
    .option(
      '--with-params',
      'also shows params, results, keys, steps and stacks as they are stored: secret values too, because the command does not know what types redact',
    )
    .addHelpText('after', examples('mcp', 'mcp --allow-writes'))
    .action(
      managerAction(run, async (given) => {
        await serveTools(toolsOf(given, given.call.options(options)), given.call)
      }),
    )
}
