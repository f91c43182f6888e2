import { Command } from 'commander'
import type pg from 'pg'
import { z } from 'zod'
import { WeakPassword } from '../../accounts/password-rules.ts'
import { recordEvents } from '../../accounts/store/audit.ts'
import { AccountError, changeUser, createUser } from '../../accounts/store/change-users.ts'
import { closeAllSessions, listSessions } from '../../accounts/store/sessions.ts'
import { findUserTable, listAccounts } from '../../accounts/store/users.ts'
import type { Account } from '../../accounts/user.ts'
import type { AuditAction } from '../../contract/audit-views.ts'
import { newUserBody } from '../../contract/session.ts'
import { createPool, endPool } from '../../db/client.ts'
import { TaskError } from '../../engine/definition/errors.ts'
import { action, type Call, type CommandRun, examples } from '../call.ts'
import { count, table } from '../output.ts'
import { readNewPassword } from '../read-password.ts'

const ROLES = ['admin', 'viewer'] as const
const roleOption = z.object({ role: z.enum(ROLES, `expected one of ${ROLES.join(', ')}`) })
const newUserOptions = roleOption.extend({ username: newUserBody.shape.username })
/** The command does not know the server's idle limit, and shows when each session was last used. */
const NEVER_IDLE_SECONDS = 10 * 365 * 86_400

export function usersCommand(run: CommandRun): Command {
  return new Command('users')
    .description('manages the users of the bundled server; apps that embed the plugin have their own')
    .addCommand(listCommand(run))
    .addCommand(addCommand(run))
    .addCommand(passwordCommand(run))
    .addCommand(roleCommand(run))
    .addCommand(switchCommand(run, false))
    .addCommand(switchCommand(run, true))
    .addCommand(sessionsCommand(run))
    .addCommand(logoutCommand(run))
}

function listCommand(run: CommandRun): Command {
  return new Command('list')
    .description('lists the users by name')
    .addHelpText('after', examples('users list'))
    .action(
      usersAction(run, async (call, pool) => {
        const users = await listAccounts(pool, NEVER_IDLE_SECONDS)
        call.print({ users }, () => describe(users))
      }),
    )
}

function addCommand(run: CommandRun): Command {
  return new Command('add')
    .argument('<name>')
    .description('adds a user; the password is read from the terminal, or from the standard input')
    .option('--role <role>', `one of ${ROLES.join(', ')}`, 'viewer')
    .addHelpText('after', examples('users add ada', 'users add ada --role admin < password.txt'))
    .action(
      usersAction(run, async (call, pool, name: string) => {
        const { username, role } = call.options(newUserOptions, { username: name })
        const password = await readPassword(run)
        const user = await audited(call, pool, { action: 'user.create', subject: username }, () =>
          createUser(pool, { username, password, role }, call.actor),
        )
        call.print(user, () => `${username} is added as ${role}`)
      }),
    )
}

function passwordCommand(run: CommandRun): Command {
  return new Command('passwd')
    .argument('<name>')
    .description('sets the password of a user, and ends the sessions of that user')
    .addHelpText('after', examples('users passwd ada', 'users passwd ada < password.txt'))
    .action(
      changeAction(run, 'user.password', async (call, pool, user) => {
        await changeUser(pool, user.id, { password: await readPassword(run) }, call.actor)
        call.print({ id: user.id }, () => `${user.username} has a new password`)
      }),
    )
}

function roleCommand(run: CommandRun): Command {
  return new Command('role')
    .argument('<name>')
    .argument('<role>', `one of ${ROLES.join(', ')}`)
    .description('gives a user a role: an admin does everything, a viewer reads everything')
    .addHelpText('after', examples('users role ada viewer'))
    .action(
      changeAction(run, 'user.update', async (call, pool, user, given: string) => {
        const { role } = call.options(roleOption, { role: given })
        await changeUser(pool, user.id, { role }, call.actor)
        call.print({ id: user.id, role }, () => `${user.username} is ${role}`)
      }),
    )
}

function switchCommand(run: CommandRun, disabled: boolean): Command {
  const verb = disabled ? 'disable' : 'enable'
  return new Command(verb)
    .argument('<name>')
    .description(disabled ? 'refuses log-ins of a user, and ends the sessions' : 'lets a user log in again')
    .addHelpText('after', examples(`users ${verb} ada`))
    .action(
      changeAction(run, 'user.update', async (call, pool, user) => {
        await changeUser(pool, user.id, { disabled }, call.actor)
        call.print({ id: user.id, disabled }, () => `${user.username} is ${verb}d`)
      }),
    )
}

function sessionsCommand(run: CommandRun): Command {
  return new Command('sessions')
    .argument('<name>')
    .description('lists the sessions of a user, the last used first')
    .addHelpText('after', examples('users sessions ada'))
    .action(
      usersAction(run, async (call, pool, name: string) => {
        const user = await requireUser(pool, name)
        const rows = await listSessions(pool, user.id, NEVER_IDLE_SECONDS)
        const sessions = rows.map(({ id: _id, ...shown }) => shown)
        call.print({ sessions }, () =>
          table(
            ['LOGGED IN', 'LAST USED', 'ADDRESS', 'BROWSER'],
            sessions.map((one) => [one.createdAt, one.lastUsedAt, one.address, one.userAgent]),
          ),
        )
      }),
    )
}

function logoutCommand(run: CommandRun): Command {
  return new Command('logout')
    .argument('<name>')
    .description('ends all sessions of a user')
    .addHelpText('after', examples('users logout ada'))
    .action(
      changeAction(run, 'session.end', async (call, pool, user) => {
        const ended = {
          actor: call.actor,
          action: 'session.end',
          subject: user.username,
          outcome: 'ok',
        } as const
        await closeAllSessions(pool, user.id, ended)
        call.print({ id: user.id }, () => `${count(user.sessions, 'session')} of ${user.username} ended`)
      }),
    )
}

function usersAction<Args extends unknown[]>(
  run: CommandRun,
  work: (call: Call, pool: pg.Pool, ...args: Args) => Promise<void>,
) {
  return action<Args>(run, async (call, ...args) => {
    const pool = createPool({
      connectionString: call.databaseUrl,
      max: 2,
      applicationName: 'fastify-async-tasks command',
      searchPath: 'public',
    })
    try {
      await requireTable(pool)
      await work(call, pool, ...args)
    } finally {
      await endPool(pool, 1_000)
    }
  })
}

/** The action of a command that changes one user, who is named. */
function changeAction<Args extends unknown[]>(
  run: CommandRun,
  action: AuditAction,
  work: (call: Call, pool: pg.Pool, user: Account, ...args: Args) => Promise<void>,
) {
  return usersAction<[string, ...Args]>(run, (call, pool, name, ...args) =>
    audited(call, pool, { action, subject: name }, async () =>
      work(call, pool, await requireUser(pool, name), ...args),
    ),
  )
}

/** A refused change leaves an entry, too. */
async function audited<T>(
  call: Call,
  pool: pg.Pool,
  change: { readonly action: AuditAction; readonly subject: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AccountError || error instanceof WeakPassword)
      await recordEvents(pool, { actor: call.actor, ...change, outcome: error.code })
    throw error
  }
}

async function requireUser(pool: pg.Pool, name: string): Promise<Account> {
  const users = await listAccounts(pool, NEVER_IDLE_SECONDS)
  const user = users.find(({ username }) => username === name)
  if (user) return user
  throw new AccountError('USER_NOT_FOUND', `there is no user ${JSON.stringify(name)}: users list shows all`)
}

async function requireTable(pool: pg.Pool): Promise<void> {
  const found = await findUserTable(pool)
  if (found === 'current') return
  throw new TaskError(
    'MIGRATION_FAILED',
    found === 'none'
      ? 'this database has no users of the bundled server: an app that embeds the plugin manages its own'
      : 'the users of this database are those of an earlier version: start the bundled server of this version first',
  )
}

function readPassword(run: CommandRun): Promise<string> {
  return readNewPassword(run.input, (text) => run.err(text), run.signal)
}

function describe(users: readonly Account[]): string {
  return table(
    ['NAME', 'ROLE', 'STATE', 'SESSIONS', 'CREATED', 'ID'],
    users.map((one) => [
      ...[one.username, one.role, one.disabled ? 'disabled' : 'enabled'],
      ...[one.sessions, one.createdAt, one.id],
    ]),
  )
}
