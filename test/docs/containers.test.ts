import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import Fastify from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { taskSettings } from '../../src/engine/definition/settings.ts'
import asyncTasks from '../../src/plugin.ts'
import { startBundledServer } from '../http/bundled-server.ts'
import { parseSource } from '../support/architecture/source-file.ts'
import { createTestDatabase } from '../support/database.ts'
import { examplesNotRunBy } from '../support/docs.ts'

const root = path.resolve(import.meta.dirname, '../..')
const read = (name: string) => readFileSync(path.join(root, name), 'utf8')
const variables = new Set([...read('.env.example').matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name))
const shutdownSeconds = (taskSettings.parse({}).shutdownTimeoutMs ?? 0) / 1_000

test('the probes of docs/containers.md tell whether an app lives and can run tasks', async () => {
  expect(examplesNotRunBy(import.meta.url, 'containers.md')).toEqual([])
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const app = Fastify({ pluginTimeout: 0 })
  onTestFinished(() => app.close())
  await app.register(asyncTasks, { connectionString: database.directUrl, tasks: [], routes: false })
  app.get('/live', async () => ({ alive: true }))
  app.get('/ready', async (_request, reply) => {
    const { ok, reasons } = app.taskExecutor?.health() ?? { ok: true, reasons: [] }
    return reply.code(ok ? 200 : 503).send({ reasons })
  })
  await app.ready()
  expect((await app.inject('/live')).json()).toEqual({ alive: true })
  await expect.poll(async () => (await app.inject('/ready')).statusCode).toBe(200)
})

/** The packages that a module and all that it imports statically need when they run. */
function packagesOf(entry: string, seen = new Set<string>()): string[] {
  if (seen.has(entry)) return []
  seen.add(entry)
  const { imports } = parseSource(entry, readFileSync(path.join(root, entry), 'utf8'))
  return imports
    .filter(({ typeOnly }) => !typeOnly)
    .flatMap(({ target }) => (target.startsWith('src/') ? packagesOf(target, seen) : target))
    .map((target) =>
      target
        .split('/')
        .slice(0, target.startsWith('@') ? 2 : 1)
        .join('/'),
    )
    .filter((name) => !name.startsWith('node:'))
}

describe('the Dockerfile', () => {
  const dockerfile = read('deploy/Dockerfile')
  const instructions = dockerfile.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const final = instructions.slice(instructions.findLastIndex((line) => line.startsWith('FROM')))

  test('installs what the server imports, and nothing of development', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json'))
    const listed = [
      ...(read('deploy/server-packages.js').match(/SERVER = \[(.*?)^\]/ms)?.[1] ?? '').matchAll(/'([^']+)'/g),
    ]
    const names = listed.map(([, name = '']) => name)
    const needed = new Set([...packagesOf('src/server.ts'), ...packagesOf('src/cli/migrate.ts')])
    expect(names.filter((name) => !needed.has(name))).toEqual([])
    const missing = [...needed].filter((name) => !names.includes(name) && !(name in dependencies))
    // Imported only where an option asks for it.
    expect(missing.filter((name) => name in devDependencies && name !== '@opentelemetry/api')).toEqual([])
  })

  test('runs as somebody else than root, with the command of npm start, and checks its health', async () => {
    expect(final.at(-1)).toBe('CMD ["node", "--max-semi-space-size=16", "src/server.ts"]')
    expect(JSON.parse(read('package.json')).scripts.start).toContain('node --max-semi-space-size=16')
    expect(final.indexOf('USER node')).toBeGreaterThan(final.findLastIndex((line) => line.startsWith('RUN')))
    expect(final.some((line) => line.startsWith('HEALTHCHECK'))).toBe(true)
    const base = instructions.filter((line) => line.startsWith('FROM'))
    for (const line of base) expect(line).toMatch(new RegExp(`^FROM node:${read('.nvmrc').trim()}-`))
  })

  test('copies only what is there and not ignored', () => {
    const sources = instructions
      .filter((line) => line.startsWith('COPY') && !line.includes('--from'))
      .flatMap((line) => line.split(' ').slice(1, -1))
      .filter((name) => name !== '.')
    const kept = read('deploy/Dockerfile.dockerignore').split('\n')
    for (const name of sources) {
      expect(existsSync(path.join(root, name)), name).toBe(true)
      expect(kept).toContain(`!${name}`)
    }
  })
})

test('the Compose file starts two replicas with what the server reads, and lets handlers finish', () => {
  const { services } = parse(read('deploy/compose.yaml'))
  expect(services.server.deploy.replicas).toBe(2)
  expect(services.server.depends_on.postgres.condition).toBe('service_healthy')
  expect(Object.keys(services.server.environment).filter((name) => !variables.has(name))).toEqual([])
  expect(Number.parseInt(services.server.stop_grace_period, 10)).toBeGreaterThan(shutdownSeconds)
  expect(
    existsSync(path.join(root, 'deploy', services.server.build.context, services.server.build.dockerfile)),
  ).toBe(true)
})

test('the Kubernetes example has probes that the server serves, and lets handlers finish', async () => {
  const documents = parseAllDocuments(read('deploy/kubernetes.yaml')).map((document) => document.toJS())
  expect(documents.map(({ kind }) => kind)).toEqual(['Job', 'Deployment', 'Service', 'PodDisruptionBudget'])
  const [job, deployment, service] = documents
  const { spec } = deployment.spec.template
  const [container] = spec.containers
  const pause: number = container.lifecycle.preStop.sleep.seconds
  expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(pause + shutdownSeconds + 5)
  expect(
    container.env.map(({ name }: { name: string }) => name).filter((name: string) => !variables.has(name)),
  ).toEqual([])
  expect(service.spec.selector).toEqual(deployment.spec.template.metadata.labels)
  const [migrate] = job.spec.template.spec.containers
  expect(existsSync(path.join(root, migrate.command[1]))).toBe(true)
  expect(migrate.image).toBe(container.image)
  const server = await startBundledServer()
  onTestFinished(() => server.close())
  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const { path: url } = container[probe].httpGet
    await expect.poll(async () => (await server.app.inject(url)).statusCode).toBe(200)
  }
})
