import { randomBytes } from 'node:crypto'
import pg from 'pg'

const ROLE = 'app'

/** What an earlier version made as superuser; sequences of columns follow their tables. */
const TAKE_OVER = `
do $$
declare
  statement text;
begin
  for statement in
    with own as (
      select oid, nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
    )
    select format('alter schema %I owner to ${ROLE}', nspname)
      from pg_namespace join own using (oid, nspname)
     where nspowner = 'postgres'::regrole
    union all
    select format('alter table %I.%I owner to ${ROLE}', nspname, relname)
      from pg_class c join own on own.oid = relnamespace
     where relowner = 'postgres'::regrole
       and relkind in ('r', 'p', 'v', 'm', 'S')
       and not exists (select from pg_depend d
                        where d.classid = 'pg_class'::regclass and d.objid = c.oid
                          and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i'))
    union all
    select format('alter type %I.%I owner to ${ROLE}', nspname, typname)
      from pg_type join own on own.oid = typnamespace
     where typowner = 'postgres'::regrole and typtype in ('e', 'd')
    union all
    select format('alter routine %s owner to ${ROLE}', p.oid::regprocedure)
      from pg_proc p join own on own.oid = pronamespace
     where proowner = 'postgres'::regrole
  loop
    execute statement;
  end loop;
end $$`

/**
 * Makes a role that owns the database and is no superuser, who could read files and run programs.
 *
 * @param url of the superuser
 * @returns the URL of the role, whose password is another one at each start
 */
export async function prepareRole(url: string): Promise<string> {
  const password = randomBytes(24).toString('base64url')
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rowCount } = await client.query('select from pg_roles where rolname = $1', [ROLE])
    if (rowCount === 0) await client.query(`create role ${ROLE} login`)
    await client.query(`alter role ${ROLE} password ${client.escapeLiteral(password)}`)
    await client.query(`alter database postgres owner to ${ROLE}`)
    await client.query(TAKE_OVER)
  } finally {
    await client.end()
  }
  const own = new URL(url)
  own.username = ROLE
  own.password = password
  return own.href
}
