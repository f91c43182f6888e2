import { parseSource, type SourceFile, withoutComments } from './source-file.ts'

/** What a rule finds in one file: the line, and what is wrong there. */
export interface Finding {
  readonly line: number
  readonly problem: string
}

export interface Rule {
  readonly name: string
  find(file: SourceFile): Finding[]
  /** A file that breaks the rule: shows that the rule can see. */
  readonly broken: SourceFile
}

/** `src/db/x.ts` is inside `db/`; `src/app.ts` is `app.ts`. */
function isIn(file: SourceFile | string, places: readonly string[]): boolean {
  const name = (typeof file === 'string' ? file : file.path).replace(/^src\//, '')
  return places.some((place) => (place.endsWith('/') ? name.startsWith(place) : name === place))
}

const isStore = ({ path }: SourceFile) => /\/store(\/|\.ts$)/.test(path)
const isSchema = ({ path }: SourceFile) => path.endsWith('/schema.ts')

/** Only `places` may import what `forbidden` matches. */
function importRule(options: {
  name: string
  forbidden: (target: string) => boolean
  allowed: (file: SourceFile) => boolean
  typesToo: boolean
  broken: SourceFile
}): Rule {
  const { name, forbidden, allowed, typesToo, broken } = options
  return {
    name,
    broken,
    find: (file) =>
      allowed(file)
        ? []
        : file.imports
            .filter(({ target, typeOnly }) => forbidden(target) && (typesToo || !typeOnly))
            .map(({ line, target }) => ({ line, problem: `imports '${target}'` })),
  }
}

const isPackage = (...names: readonly string[]) => {
  return (target: string) => names.some((name) => target === name || target.startsWith(`${name}/`))
}
const isFolder = (...folders: readonly string[]) => {
  return (target: string) => target.startsWith('src/') && isIn(target, folders)
}

// Whole clauses, so that prose with "select" or "update" in it is no SQL.
const SQL =
  /\bselect\b[\s\S]*\bfrom\s+[\w"$]|\binsert\s+into\s|\bupdate\s+[\w."]+(\s+\w+)?\s+set\s|\bdelete\s+from\s|^\s*(begin|commit|rollback)\s*$|^\s*(lock|truncate|drop|alter|create)\s+(table|index|schema|database|role)\b|^\s*(listen|notify)\s+\w+\s*$|pg_advisory|pg_notify/i

/** The rooms of the engine, from the top down: each imports only those after it. */
const ROOMS = [
  'runner.ts',
  'executor',
  'manager',
  'schedules',
  'notify',
  'create',
  'feed',
  'maintenance',
  'runtime',
  'store',
  'definition',
]

/** The place of a path's room in `ROOMS`; −1 for a new room, undefined outside of the engine. */
function floorOf(path: string): number | undefined {
  const room = path.match(/^src\/engine\/([^/]+)/)?.[1]
  return room === undefined ? undefined : ROOMS.indexOf(room)
}

export const RULES: readonly Rule[] = [
  {
    name: `a room of the engine imports only rooms below it, types included: ${ROOMS.join(' > ')}`,
    broken: parseSource('src/engine/store/claim.ts', `import type { Slots } from '../executor/slots.ts'\n`),
    find: (file) => {
      const floor = floorOf(file.path)
      if (floor === undefined) return []
      if (floor < 0) return [{ line: 1, problem: 'is in no room that has a place in the order' }]
      return file.imports
        .filter(({ target }) => (floorOf(target) ?? floor) < floor)
        .map(({ line, target }) => ({ line, problem: `imports '${target}'` }))
    },
  },
  importRule({
    name: 'pg and drizzle-orm are used in db/, schema.ts and store files alone (types of pg may be passed along)',
    forbidden: isPackage('pg', 'drizzle-orm'),
    allowed: (file) => isIn(file, ['db/']) || isSchema(file) || isStore(file),
    typesToo: false,
    broken: parseSource('src/engine/manager/manager.ts', `import pg from 'pg'\n`),
  }),
  importRule({
    name: 'types of drizzle-orm stay in db/, schema.ts and store files',
    forbidden: isPackage('drizzle-orm'),
    allowed: (file) => isIn(file, ['db/']) || isSchema(file) || isStore(file),
    typesToo: true,
    broken: parseSource('src/engine/definition/task.ts', `import type { SQL } from 'drizzle-orm'\n`),
  }),
  {
    name: 'SQL text is in db/ and store files alone, and in remedies of doctor, which it only prints',
    broken: parseSource('src/http/x.ts', 'const q = `select task_id\n from async_tasks`\n'),
    find: (file) =>
      isIn(file, ['db/', 'cli/doctor/checks/']) || isStore(file)
        ? []
        : file.strings
            .filter(({ text }) => SQL.test(text))
            .map(({ line, text }) => ({ line, problem: `holds SQL: ${text.trim().slice(0, 60)}` })),
  },
  importRule({
    name: 'fastify and its plugins are known in http/, accounts/, plugin.ts, app.ts and server.ts alone',
    forbidden: (target) => /^(fastify($|\/)|@fastify\/|fastify-)/.test(target),
    allowed: (file) => isIn(file, ['http/', 'accounts/', 'plugin.ts', 'app.ts', 'server.ts']),
    typesToo: true,
    broken: parseSource('src/engine/manager/manager.ts', `import type { FastifyInstance } from 'fastify'\n`),
  }),
  importRule({
    name: 'react is used in dashboard/ and client/react/ alone',
    forbidden: isPackage('react', 'react-dom'),
    allowed: (file) => isIn(file, ['dashboard/', 'client/react/']),
    typesToo: true,
    broken: parseSource('src/client/stream.ts', `import { useState } from 'react'\n`),
  }),
  importRule({
    name: "Prometheus' clients are used in telemetry/metrics.ts alone: hosts bring their own",
    forbidden: isPackage('@prometheus-io/client', 'prom-client'),
    allowed: (file) => isIn(file, ['telemetry/metrics.ts']),
    typesToo: true,
    broken: parseSource('src/telemetry/metric.ts', `import type { Registry } from 'prom-client'\n`),
  }),
  importRule({
    name: "OpenTelemetry's API is loaded in telemetry/tracing.ts alone: few hosts have it",
    forbidden: isPackage('@opentelemetry/api'),
    allowed: (file) => isIn(file, ['telemetry/tracing.ts']),
    typesToo: false,
    broken: parseSource('src/plugin.ts', `import { trace } from '@opentelemetry/api'\n`),
  }),
  importRule({
    name: 'client/ runs in browsers and is small: nothing but itself, react in its place, and types of contract/ and zod',
    forbidden: (target) => !isFolder('client/')(target) && !isPackage('react')(target),
    allowed: (file) => !isIn(file, ['client/']),
    typesToo: false,
    broken: parseSource('src/client/stream.ts', `import { taskDetail } from '../contract/task.ts'\n`),
  }),
  importRule({
    name: 'client/ knows nothing of the server, not even its types',
    forbidden: (target) => !isFolder('client/', 'contract/')(target) && !isPackage('react', 'zod')(target),
    allowed: (file) => !isIn(file, ['client/']),
    typesToo: true,
    broken: parseSource('src/client/stream.ts', `import type { Task } from '../engine/definition/task.ts'\n`),
  }),
  importRule({
    name: 'dashboard/ knows the server by client/ and types of contract/ alone',
    forbidden: (target) =>
      !isFolder('dashboard/', 'client/', 'contract/')(target) &&
      !isPackage(
        'react',
        'react-dom',
        '@tanstack/react-query',
        'cmdk',
        'croner',
        'cronstrue',
        'uplot',
      )(target) &&
      !target.endsWith('.css'),
    allowed: (file) => !isIn(file, ['dashboard/']) || isIn(file, ['dashboard/vite.config.ts']),
    typesToo: true,
    broken: parseSource('src/dashboard/app.tsx', `import { version } from '../plugin.ts'\n`),
  }),
  {
    name: "the environment is read in config.ts and in the package's command alone",
    broken: parseSource('src/server.ts', `listen(process.env.PORT)\n`),
    find: (file) =>
      isIn(file, ['config.ts', 'cli/bin.ts'])
        ? []
        : findLines(
            file,
            /process\s*(\?\.|\.)\s*env\b|process\[|\{[^}]*\benv\b[^}]*\}\s*(=\s*process\b|from 'node:process')/,
          ),
  },
  importRule({
    name: 'the engine knows nothing of http/, market/, accounts/ and telemetry/',
    forbidden: isFolder(
      'http/',
      'market/',
      'accounts/',
      'telemetry/',
      'app.ts',
      'server.ts',
      'plugin.ts',
      'config.ts',
      'cli/',
    ),
    allowed: (file) => !isIn(file, ['engine/']),
    typesToo: true,
    broken: parseSource('src/engine/runtime/events.ts', `import { log } from '../../telemetry/log.ts'\n`),
  }),
  importRule({
    name: 'contract/ imports only zod and itself',
    forbidden: (target) => !isPackage('zod')(target) && !isFolder('contract/')(target),
    allowed: (file) => !isIn(file, ['contract/']),
    typesToo: true,
    broken: parseSource('src/contract/task.ts', `import { sep } from 'node:path'\n`),
  }),
  importRule({
    name: 'market/ is known to app.ts and the demo alone, so that it can be removed',
    forbidden: isFolder('market/'),
    allowed: (file) => isIn(file, ['market/', 'app.ts']) || file.path.startsWith('src/cli/demo'),
    typesToo: true,
    broken: parseSource('src/http/docs.ts', `import { bars } from '../market/bars.ts'\n`),
  }),
  {
    name: 'no file is named for holding whatever has no place',
    broken: parseSource('src/common/strings.ts', ''),
    find: ({ path }) =>
      /(^|\/)(utils?|helpers?|types|common|shared|misc)(\/|\.tsx?$)/.test(path)
        ? [{ line: 1, problem: 'has a name that says nothing' }]
        : [],
  },
]

function findLines(file: SourceFile, pattern: RegExp): Finding[] {
  return withoutComments(file.text)
    .split('\n')
    .flatMap((text, i) => (pattern.test(text) ? [{ line: i + 1, problem: text.trim() }] : []))
}
