import type { Readable } from 'node:stream'
import type { Command } from 'commander'
import type { z } from 'zod'
import { CONNECTION_STRING, isConnectionString } from '../db/connection-string.ts'
import { EngineSchema } from '../db/engine-schema.ts'
import { TaskError } from '../engine/definition/errors.ts'
import { hidePasswords, manyLines } from './output.ts'
import type { PasswordInput } from './read-password.ts'

/** What the command uses of its process. */
export interface CommandHost {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Name of the user of the operating system. */
  readonly user: string
  /** Ends what waits. */
  readonly signal: AbortSignal
  /** Where passwords and an assistant's requests are read from. */
  readonly input: PasswordInput & Readable
  out(text: string): void
  err(text: string): void
}

/** A host, and what the process ends with. */
export interface CommandRun extends CommandHost {
  exitCode: number
}

interface GlobalOptions {
  readonly databaseUrl?: string
  readonly schema: string
  readonly json?: boolean
}

/** One call of a command: its options, and where its output goes. */
export class Call {
  readonly schema: EngineSchema
  readonly isJson: boolean
  readonly #run: CommandRun
  readonly #command: Command
  readonly #databaseUrl: string | undefined

  constructor(run: CommandRun, command: Command) {
    const { schema, json = false, databaseUrl } = command.optsWithGlobals<GlobalOptions>()
    this.#run = run
    this.#command = command
    this.#databaseUrl = databaseUrl
    this.isJson = json
    this.schema = new EngineSchema(schema)
  }

  get signal(): AbortSignal {
    return this.#run.signal
  }

  get input(): Readable {
    return this.#run.input
  }

  /** Who changes something, for the audit. */
  get actor(): { id: string } {
    return { id: `cli:${this.#run.user}` }
  }

  /** @throws TaskError `INVALID_ARGUMENT` */
  get databaseUrl(): string {
    return requireUrl(this.#databaseUrl ?? this.#run.env.DATABASE_URL)
  }

  /** Not through PgBouncer, for migrations and LISTEN. An option names the only database that is meant. */
  get directUrl(): string {
    const { DATABASE_DIRECT_URL } = this.#run.env
    if (this.#databaseUrl !== undefined || !DATABASE_DIRECT_URL) return this.databaseUrl
    return requireUrl(DATABASE_DIRECT_URL, 'DATABASE_DIRECT_URL')
  }

  /** As the processes have it. */
  get prepared(): boolean {
    return this.#run.env.DATABASE_PREPARED !== 'false'
  }

  /** As the processes have it, if that is known. */
  get poolMax(): number | undefined {
    return Number(this.#run.env.DATABASE_POOL_MAX) || undefined
  }

  /** The command's own options, and arguments. @throws TaskError `INVALID_ARGUMENT` naming each at fault */
  options<Schema extends z.ZodType>(schema: Schema, args: object = {}): z.output<Schema> {
    return requireInput(schema, { ...this.#command.opts(), ...args }, (key) => this.#nameOf(key))
  }

  #nameOf(key: string): string {
    return this.#command.options.find((one) => one.attributeName() === key)?.long ?? key
  }

  /** A value for programs, and the text that people get instead. */
  print(value: unknown, toText: () => string): void {
    this.#run.out(`${this.isJson ? JSON.stringify(value, null, 2) : manyLines(toText())}\n`)
  }

  /** The same for one of many values: a line each. */
  printLine(value: unknown, toText: () => string): void {
    this.#run.out(`${this.isJson ? JSON.stringify(value) : manyLines(toText())}\n`)
  }

  /** The process ends with 1: a part failed, or an illness was found. */
  fail(): void {
    this.#run.exitCode = 1
  }

  notice(text: string): void {
    this.#run.err(`${manyLines(hidePasswords(text))}\n`)
  }
}

/** @throws TaskError `INVALID_ARGUMENT` naming each field at fault */
export function requireInput<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  nameOf = (key: string) => key,
): z.output<Schema> {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map(({ path: [key], message }) =>
    key === undefined ? message : `${nameOf(String(key))}: ${message}`,
  )
  throw new TaskError('INVALID_ARGUMENT', problems.join('; '))
}

function requireUrl(url: string | undefined, name = '--database-url and DATABASE_URL'): string {
  if (!url) {
    throw new TaskError(
      'INVALID_ARGUMENT',
      'name the database: --database-url, or DATABASE_URL in the environment',
    )
  }
  if (isConnectionString(url)) return url
  // Not quoted: it may hold a password.
  throw new TaskError('INVALID_ARGUMENT', `${name} must be ${CONNECTION_STRING}`)
}

export type CommandWork<Args extends unknown[]> = (call: Call, ...args: Args) => Promise<void>

/** What commander calls for a command. */
export function action<Args extends unknown[]>(run: CommandRun, work: CommandWork<Args>) {
  return async (...given: unknown[]): Promise<void> => {
    // commander passes the options and the command itself after the arguments.
    const call = new Call(run, given.at(-1) as Command)
    await work(call, ...(given.slice(0, -2) as Args))
  }
}

/** Examples, at the end of a command's help. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  npx fastify-async-tasks ${line}`).join('\n')}\n`
}
