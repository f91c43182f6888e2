import { Command, CommanderError } from 'commander'
import { PUBLIC } from '../db/schema-name.ts'
import { version } from '../version.ts'
import { type CommandHost, type CommandRun, examples } from './call.ts'
import { COMMANDS } from './commands/commands.ts'
import { describeError, hidePasswords, oneLine } from './output.ts'

const EXIT_CODES = { failed: 1, usage: 2 } as const

/** The tree of commands. */
export function createProgram(run: CommandRun): Command {
  const program = new Command('fastify-async-tasks')
    .description('Manages the tasks of a database, also while no server runs.')
    .version(version)
    .option(
      '--database-url <url>',
      "such as postgres://user:password@host:5432/database. Default: the environment's DATABASE_URL, and for what does not work through PgBouncer DATABASE_DIRECT_URL",
    )
    .option('--schema <name>', 'schema of the tables', PUBLIC)
    .option('--json', 'prints JSON, for programs')
    .addHelpText(
      'after',
      `${examples('doctor', 'list --status failed', 'retry task_0198c5a0f7e27c1a8b9d3e4f5a6b7c8d')}
Exit codes: 0 done, 1 failed or an illness was found, 2 wrong usage.`,
    )
  for (const create of COMMANDS) program.addCommand(create(run))
  for (const command of [program, ...allOf(program)]) {
    command
      .helpCommand(false)
      .configureHelp({ showGlobalOptions: true })
      .configureOutput({ writeOut: run.out, writeErr: () => {} })
      .exitOverride()
  }
  return program
}

/** Commands and commands of commands, in the order of the help. */
export function allOf(command: Command): Command[] {
  return command.commands.flatMap((one) => [one, ...allOf(one)])
}

/** Runs a command, and returns the code that the process ends with. */
export async function runCommandLine(args: readonly string[], host: CommandHost): Promise<number> {
  const run: CommandRun = { ...host, exitCode: 0 }
  try {
    await createProgram(run).parseAsync([...args], { from: 'user' })
    return run.exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    if (host.signal.aborted) return EXIT_CODES.failed
    const { code, message } = error instanceof CommanderError ? describeUsage(error) : describeError(error)
    host.err(`${code}: ${message}\n`)
    return code === 'INVALID_ARGUMENT' ? EXIT_CODES.usage : EXIT_CODES.failed
  }
}

function describeUsage({ code, message }: CommanderError) {
  const sentence =
    code === 'commander.help'
      ? 'name a command: fastify-async-tasks --help lists them'
      : message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ')
  return { code: 'INVALID_ARGUMENT', message: oneLine(hidePasswords(sentence)) }
}
