/**
 * Moves waiting jobs of pg-boss, graphile-worker or BullMQ to fastify-async-tasks, each of them once. Copy this file into
 * your app, and see ../moving.md. It may be stopped at any time and run again.
 *
 * @typedef {object} Job a waiting job
 * @property {string} id unique among the jobs of its source
 * @property {string} type
 * @property {unknown} data
 * @property {Date} runAt
 * @property {number} priority higher first
 * @property {number} maxRetries
 * @property {string} [key] of which only one job may wait
 *
 * @typedef {object} Source
 * @property {string} name unique among your sources
 * @property {() => Promise<Job[]>} next the next waiting jobs; empty: none are left
 * @property {(jobs: Job[]) => Promise<number>} remove resolves to how many were removed
 */

const BATCH = 500

const between = (low, value, high) => Math.min(high, Math.max(low, value))

/** @param {Job} job */
function convertAsIs({ type, data }) {
  const isObject = typeof data === 'object' && data !== null && !Array.isArray(data)
  return { task: type, params: isObject ? data : data == null ? {} : { data } }
}

/**
 * @param app a Fastify app, ready, with the plugin and the handlers of the jobs' types
 * @param {import('pg').Pool} pool of the database in which the app keeps its tasks
 * @param {Source} source
 * @param {(job: Job) => { task: unknown, params: object }} [convert] the handler or type, and the params; by default
 *   those of the job
 */
export async function moveJobs(app, pool, source, convert = convertAsIs) {
  await pool.query(
    `create table if not exists moved_jobs (source text, id text, task_id text not null, primary key (source, id))`,
  )
  const counts = { moved: 0, withoutKey: 0 }
  for (;;) {
    const jobs = await source.next()
    if (jobs.length === 0) return counts
    const { moved, withoutKey } = await inTransaction(pool, (tx) =>
      createOnce(app, tx, source, jobs, convert),
    )
    counts.moved += moved
    counts.withoutKey += withoutKey
    // After the commit: a crash in between leaves jobs that moved_jobs names, which the next run only removes.
    if ((await source.remove(jobs)) === 0) throw new Error('no job could be removed: stop its workers first')
  }
}

async function createOnce(app, tx, source, jobs, convert) {
  const { rows } = await tx.query('select id from moved_jobs where source = $1 and id = any($2)', [
    source.name,
    jobs.map(({ id }) => id),
  ])
  const done = new Set(rows.map(({ id }) => id))
  const left = jobs.filter(({ id }) => !done.has(id))
  const created = await app.tasks.createTasks(
    left.map((job) => toItem(job, convert)),
    { tx },
  )
  // Some queues allow several jobs with one key. None of them may be lost.
  const again = left.filter((_job, index) => !created[index].created)
  const keyless = again.map((job) => toItem({ ...job, key: undefined }, convert))
  const more = await app.tasks.createTasks(keyless, { tx })
  const taskIds = new Map(left.map(({ id }, index) => [id, created[index].taskId]))
  for (const [index, { id }] of again.entries()) taskIds.set(id, more[index].taskId)
  await tx.query(
    'insert into moved_jobs select $1, id, task_id from unnest($2::text[], $3::text[]) as t (id, task_id)',
    [source.name, [...taskIds.keys()], [...taskIds.values()]],
  )
  return { moved: left.length, withoutKey: again.length }
}

function toItem(job, convert) {
  return {
    ...convert(job),
    runAt: job.runAt,
    priority: between(-100, job.priority, 100),
    maxRetries: between(0, job.maxRetries, 100),
    ...(job.key === undefined ? {} : { uniqueKey: job.key }),
  }
}

async function inTransaction(pool, work) {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

/**
 * @param {import('pg').Pool} pool of the database of pg-boss
 * @returns {Source}
 */
export function fromPgBoss(pool, { schema = 'pgboss' } = {}) {
  const table = `"${schema.replaceAll('"', '""')}".job`
  return {
    name: `pg-boss ${schema}`,
    async next() {
      const { rows } = await pool.query(
        `select id, name, data, priority, start_after, retry_limit - retry_count as retries, singleton_key
           from ${table} where state < 'active' and not blocked
          order by priority desc, start_after, created_on limit ${BATCH}`,
      )
      return rows.map((row) => ({
        id: row.id,
        type: row.name,
        data: row.data,
        runAt: row.start_after,
        priority: row.priority,
        maxRetries: row.retries,
        key: row.singleton_key ? `${row.name} ${row.singleton_key}` : undefined,
      }))
    },
    async remove(jobs) {
      const ids = jobs.map(({ id }) => id)
      const text = `delete from ${table} where id = any($1::uuid[]) and state < 'active'`
      return (await pool.query(text, [ids])).rowCount
    },
  }
}

/**
 * @param {import('pg').Pool} pool of the database of graphile-worker
 * @returns {Source}
 */
export function fromGraphileWorker(pool, { schema = 'graphile_worker' } = {}) {
  const name = `"${schema.replaceAll('"', '""')}"`
  return {
    name: `graphile-worker ${schema}`,
    async next() {
      const { rows } = await pool.query(
        `select j.id, t.identifier, j.payload, j.priority, j.run_at, j.max_attempts - j.attempts - 1 as retries, j.key
           from ${name}._private_jobs j join ${name}._private_tasks t on t.id = j.task_id
          where j.locked_at is null and j.attempts < j.max_attempts
          order by j.priority, j.run_at, j.id limit ${BATCH}`,
      )
      return rows.map((row) => ({
        id: String(row.id),
        type: row.identifier,
        data: row.payload,
        runAt: row.run_at,
        priority: -row.priority, // lower is first there
        maxRetries: row.retries,
        key: row.key ?? undefined,
      }))
    },
    async remove(jobs) {
      const ids = jobs.map(({ id }) => id)
      return (await pool.query(`select id from ${name}.complete_jobs($1::bigint[])`, [ids])).rowCount
    },
  }
}

/**
 * @param {import('bullmq').Queue} queue
 * @returns {Source}
 */
export function fromBullMq(queue) {
  const jobs = new Map()
  return {
    name: `BullMQ ${queue.name}`,
    async next() {
      jobs.clear()
      for (const job of await queue.getJobs(
        ['waiting', 'prioritized', 'paused', 'delayed'],
        0,
        BATCH - 1,
        true,
      )) {
        if (job) jobs.set(job.id, job)
      }
      return [...jobs.values()].map((job) => ({
        id: job.id,
        type: job.name,
        data: job.data,
        runAt: new Date(job.timestamp + (job.delay ?? 0)),
        priority: -(job.priority ?? 0), // lower is first there, and 0 before all
        maxRetries: (job.opts.attempts ?? 1) - job.attemptsMade - 1,
        key: job.deduplicationId ?? (/^\d+$/.test(job.id) ? undefined : job.id),
      }))
    },
    async remove(moved) {
      await Promise.all(moved.map(({ id }) => jobs.get(id).remove()))
      return moved.length
    },
  }
}
