import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { type EmbeddedOptions, type EmbeddedPostgres, startEmbedded } from '../../src/db/embedded.ts'
import { processCommand, processStart } from '../../src/db/process-identity.ts'
import { withClient } from '../support/with-client.ts'

const asRoot = process.getuid?.() === 0

let dataDir: string
beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'embedded-'))
  chmodSync(dataDir, 0o755)
})
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

async function start(options: Partial<EmbeddedOptions> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbedded({ dataDir, durable: false, ...options })
  onTestFinished(() => server.stop())
  return server
}

const query = (url: string, text: string): Promise<unknown[]> =>
  withClient(url, async (client) => (await client.query({ text, rowMode: 'array' })).rows.flat())

function postmasterPid(directory = dataDir): number {
  return Number(readFileSync(path.join(directory, 'postgres/postmaster.pid'), 'utf8').split('\n')[0])
}

async function startElsewhere(): Promise<{ owner: ChildProcess; url: string }> {
  const owner = fork(path.resolve(import.meta.dirname, '../support/embedded-owner.ts'), [dataDir])
  const [url] = (await once(owner, 'message')) as [string]
  return { owner, url }
}

const hasEnded = (pid: number) => expect.poll(() => processStart(pid)).toBeUndefined()

test('data outlive a stop, which leaves no process', async () => {
  const first = await start()
  await query(first.url, `create table kept as select 'é世' as word`)
  const pid = postmasterPid()
  await first.stop()
  expect(processStart(pid)).toBeUndefined()
  const second = await start()
  expect(await query(second.url, 'select word from kept')).toEqual(['é世'])
  expect(await query(second.url, 'show server_encoding')).toEqual(['UTF8'])
})

test('it listens on 127.0.0.1 alone, with a password, and no socket', async () => {
  const { url } = await start()
  expect(await query(url, 'show listen_addresses')).toEqual(['127.0.0.1'])
  expect(await query(url, 'show unix_socket_directories')).toEqual([''])
  const withoutPassword = new URL(url)
  withoutPassword.password = 'wrong'
  await expect(query(withoutPassword.href, 'select 1')).rejects.toThrow('password authentication failed')
  expect(statSync(path.join(dataDir, 'postgres/superuser-password')).mode & 0o777).toBe(0o600)
})

test('it stops by itself when its owner is killed', async () => {
  const { owner } = await startElsewhere()
  const pid = postmasterPid()
  owner.kill('SIGKILL')
  await hasEnded(pid)
  await start()
})

test('a postmaster whose owner and guard were both killed is stopped by the next start', async () => {
  const { owner, url } = await startElsewhere()
  const leftover = postmasterPid()
  await query(url, 'create table kept ()')
  process.kill(parentOf(leftover), 'SIGKILL')
  owner.kill('SIGKILL')
  const { url: next } = await start()
  await hasEnded(leftover)
  expect(await query(next, `select to_regclass('kept')::text`)).toEqual(['kept'])
})

test('a postmaster.pid whose pid now belongs to something else does not matter', async () => {
  await (await start()).stop()
  const { pid } = process
  writeFileSync(path.join(dataDir, 'postgres/postmaster.pid'), `${pid}\n${dataDir}/postgres\n1\n1\n\n\n0 0\n`)
  await start()
  expect(processCommand(pid)).toBeDefined()
})

test('what a cut-off initdb left is done anew', async () => {
  mkdirSync(path.join(dataDir, 'postgres.new/base'), { recursive: true })
  await start()
  expect(readdirSync(dataDir).toSorted()).toEqual(['postgres', 'postgres.log'])
})

test("a start that fails shows PostgreSQL's message", async () => {
  await (await start()).stop()
  appendFileSync(path.join(dataDir, 'postgres/postgresql.conf'), '\nno_such_setting = 1\n')
  await expect(start()).rejects.toThrow(/did not start.*no_such_setting/s)
})

test('PostgreSQL that ends unasked says so, and stopping it is still fine', async () => {
  const server = await start()
  process.kill(postmasterPid(), 'SIGQUIT')
  await server.ended
  await server.stop()
})

test.runIf(asRoot)('as root it runs as the user postgres', async () => {
  await start()
  expect(statSync(`/proc/${postmasterPid()}`).uid).not.toBe(0)
})

test.runIf(asRoot)(
  'data that the user postgres cannot reach live under /var/lib, which is said',
  async () => {
    chmodSync(dataDir, 0o700)
    const inner = path.join(dataDir, 'project/.data')
    const notices: string[] = []
    const server = await start({ dataDir: inner, onNotice: (message) => notices.push(message) })
    const [, directory = ''] = /lives in (\/var\/lib\/fastify-async-tasks\/\w+)$/.exec(notices.join()) ?? []
    onTestFinished(() => rmSync(directory, { recursive: true }))
    await query(server.url, 'create table kept ()')
    await server.stop()
    const again = await start({ dataDir: inner })
    expect(await query(again.url, `select to_regclass('kept')::text`)).toEqual(['kept'])
    await again.stop()
  },
)

function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}
