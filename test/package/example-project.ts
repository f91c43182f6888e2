import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, inject, onTestFinished } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { listeningAddress, root } from './installed-package.ts'
import { npmEnv } from './npm-env.ts'
import { packSources } from './pack.ts'

let tarball: string | undefined

/** Packs the package for the tests of a file, unless the run has packed it already. */
export function usePackedTarball(): void {
  beforeAll(async () => {
    tarball = inject('packed')?.tarball
    if (tarball !== undefined) return
    const folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-packed-'))
    ;({ tarball } = await packSources(folder))
    return () => rmSync(folder, { recursive: true, force: true })
  })
}

export interface RunningServer {
  readonly address: string
  /** Ends it as a platform does. @returns its exit code and signal */
  stop(): Promise<unknown[]>
}

/** A copy of one of the examples, on a database of its own, that runs what its README says. */
export class ExampleProject {
  readonly folder: string
  readonly database: TestDatabase
  /** The commands of the README, a text for each of its blocks. */
  readonly blocks: readonly string[]
  readonly manifest: { scripts: Record<string, string>; devDependencies?: Record<string, string> }
  readonly #env: NodeJS.ProcessEnv

  private constructor(folder: string, database: TestDatabase) {
    this.folder = folder
    this.database = database
    const readme = readFileSync(path.join(folder, 'README.md'), 'utf8')
    this.blocks = [...readme.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text = '']) => text)
    this.manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
    this.#env = {
      ...npmEnv(),
      PATH: `${folder}/node_modules/.bin:${root}/node_modules/.bin:${process.env.PATH}`,
      DATABASE_URL: database.directUrl,
      PORT: '0',
      WORKER_PORT: '0',
    }
  }

  /** Copies the example and follows its README until the server listens. */
  static async start(name: string): Promise<{ project: ExampleProject; server: RunningServer }> {
    const database = await createTestDatabase('empty')
    onTestFinished(() => database.drop())
    const folder = mkdtempSync(path.join(tmpdir(), `fastify-async-tasks-example-${name}-`))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    cpSync(path.join(root, 'examples', name), folder, { recursive: true })
    const project = new ExampleProject(folder, database)
    const [install = '', , start = ''] = project.blocks[0]?.trim().split('\n') ?? []
    // Its tools of development are those of this project, which are there already.
    const { devDependencies: tools = {}, ...installed } = project.manifest
    writeFileSync(path.join(folder, 'package.json'), JSON.stringify(installed))
    await project.sh(`${install} --no-audit --no-fund ${tarball}`)
    for (const tool of Object.keys(tools)) {
      const at = path.join(folder, 'node_modules', tool)
      mkdirSync(path.dirname(at), { recursive: true })
      symlinkSync(path.join(root, 'node_modules', tool), at)
    }
    return { project, server: await project.serve(start) }
  }

  async sh(command: string): Promise<string> {
    const options = { cwd: this.folder, env: this.#env }
    return (await promisify(execFile)('sh', ['-ec', command], options)).stdout
  }

  /** Starts a server with the command that `npm start` or `npm run …` stands for. */
  async serve(command: string): Promise<RunningServer> {
    const { scripts } = this.manifest
    const script = command.replace(/npm (?:run )?(\w+)$/, (_all, name: string) => scripts[name] ?? '')
    const server: ChildProcess = spawn('sh', ['-ec', script.replace(/node (?=\S+$)/, 'exec node ')], {
      cwd: this.folder,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = once(server, 'exit')
    onTestFinished(async () => {
      server.kill('SIGKILL')
      await ended
    })
    return {
      address: await listeningAddress(server),
      stop() {
        server.kill('SIGTERM')
        return ended
      },
    }
  }

  /** Runs a block of the README. @returns what it prints: JSON texts, one after the other */
  async runBlock(index: number, { address }: RunningServer): Promise<Record<string, unknown>[]> {
    const printed = await this.sh(
      (this.blocks[index] ?? '').replaceAll('localhost:3000', new URL(address).host),
    )
    return printed.split(/(?<=\})(?=\{)/).map((text) => JSON.parse(text))
  }
}
