/**
 * Moves waiting jobs of pg-boss, graphile-worker or BullMQ to fastify-async-tasks, each of them once, and back. Copy this
 * file into your app, and see ../moving.md. You may interrupt it at any time and run it again.
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
 * @property {(jobs: Pick<Job, 'id'>[]) => Promise<number>} remove resolves to how many were removed
 *
 * @typedef {(jobs: Job[]) => Promise<unknown>} Target adds jobs of one type; one whose id it has already is not added again
 */

const BATCH = 500

const between = (low, value, high) => Math.min(high, Math.max(low, value))
const quote = (name) => `"${name.replaceAll('"', '""')}"`

/** @param {Job} job */
function convertAsIs({ type, data }) {
  const isObject = typeof data === 'object' && data !== null && !Array.isArray(data)
  return { task: type, params: isObject ? data : data == null ? {} : { data } }
}

/**
 * @param app a Fastify app, ready, with the plugin and the handlers of the jobs' types
 * @param {import('pg').Pool} pool of the database in which the app keeps its tasks
 * @param {Source} source
 * @param {(job: Job) => { task: unknown, params: object, uniqueKey?: string }} [convert] the handler or type, the params,
 *   and what else of the task is to be different; by default those of the job
 */
export async function moveJobs(app, pool, source, convert = convertAsIs) {
  await createJournal(pool)
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

/**
 * Removes from the source what is also here: an interrupted move leaves the jobs of its last batch in both places.
 *
 * @param {import('pg').Pool} pool as in `moveJobs`
 * @param {Source} source
 */
export async function removeMoved(pool, source) {
  await createJournal(pool)
  const { rows } = await pool.query('select id from moved_jobs where source = $1', [source.name])
  for (let at = 0; at < rows.length; at += BATCH) await source.remove(rows.slice(at, at + BATCH))
  // Ids may return: with BullMQ, a later job may have that of a moved one.
  await pool.query('delete from moved_jobs where source = $1', [source.name])
}

/**
 * Pauses a type, adds its pending tasks to the old queue as jobs, and cancels them here. The old workers must not run
 * meanwhile: after an interruption, the next run recognizes a job by its id, which is gone once a worker has run it.
 *
 * @param app as in `moveJobs`
 * @param {import('pg').Pool} pool as in `moveJobs`
 * @param {string} taskType
 * @param {Target} add
 * @param {{ schema?: string }} [options] the schema of the engine's tables
 * @returns {Promise<number>} how many tasks went back
 */
export async function moveBack(app, pool, taskType, add, { schema = 'public' } = {}) {
  await app.tasks.pauseTaskType(taskType)
  for (let count = 0; ; ) {
    const jobs = await nextTasks(pool, quote(schema), taskType)
    if (jobs.length === 0) return count
    await add(jobs)
    const { results } = await app.tasks.bulk({ action: 'cancel', taskIds: jobs.map(({ id }) => id) })
    const cancelled = results.filter(({ ok }) => ok).length
    if (cancelled === 0) throw new Error(`no task could be cancelled: ${results[0].code}`)
    count += cancelled
  }
}

/** @returns {Promise<Job[]>} with their params as stored, which no view shows unredacted */
async function nextTasks(pool, schema, taskType) {
  const { rows } = await pool.query(
    `select t.task_id, t.run_at, t.priority, greatest(t.max_retries - t.retry_count, 0) as retries,
            (select json_object_agg(p.key, p.value::json)
               from ${schema}.async_task_params p where p.task_id = t.task_id) as params
       from ${schema}.async_tasks t where t.status = 'pending' and t.task_type = $1
      order by t.id limit ${BATCH}`,
    [taskType],
  )
  return rows.map((row) => ({
    id: row.task_id,
    type: taskType,
    data: row.params ?? {},
    runAt: row.run_at,
    priority: row.priority,
    maxRetries: row.retries,
  }))
}

function createJournal(pool) {
  return pool.query(
    'create table if not exists moved_jobs (source text, id text, task_id text not null, primary key (source, id))',
  )
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
  const keyless = again.map((job) => dropKey(toItem(job, convert)))
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
    runAt: job.runAt,
    priority: between(-100, job.priority, 100),
    maxRetries: between(0, job.maxRetries, 100),
    ...(job.key === undefined ? {} : { uniqueKey: job.key }),
    ...convert(job),
  }
}

function dropKey({ uniqueKey: _key, ...item }) {
  return item
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
  const table = `${quote(schema)}.job`
  return {
    name: `pg-boss ${schema}`,
    async next() {
      const { rows } = await pool.query(
        `select id, name, data, priority, start_after, retry_limit - retry_count as retries, singleton_key
           from ${table} where state < 'active' and not blocked and not starts_with(name, '__pgboss__')
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
  const name = quote(schema)
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
  return {
    name: `BullMQ ${queue.name}`,
    async next() {
      const jobs = await nextOfBullMq(queue)
      return jobs.map((job) => ({
        id: job.id,
        type: job.name,
        data: job.data,
        // The delay of a retry counts from its last attempt.
        runAt: new Date((job.processedOn ?? job.timestamp) + (job.delay ?? 0)),
        priority: -(job.priority ?? 0), // lower is first there, and 0 before all
        maxRetries: (job.opts.attempts ?? 1) - job.attemptsMade - 1,
        key: job.deduplicationId ?? (/^\d+$/.test(job.id) ? undefined : job.id),
      }))
    },
    async remove(jobs) {
      const removed = await Promise.all(jobs.map(({ id }) => queue.remove(id)))
      return removed.filter((count) => count === 1).length
    },
  }
}

async function nextOfBullMq(queue) {
  const states = ['waiting', 'prioritized', 'paused', 'delayed']
  for (let at = 0; ; at += BATCH) {
    const listed = (await queue.getJobs(states, at, at + BATCH - 1, true)).filter(Boolean)
    // BullMQ does not let go of the next job of a scheduler.
    const jobs = new Map(listed.filter((job) => !job.repeatJobKey).map((job) => [job.id, job]))
    if (jobs.size > 0 || listed.length === 0) return [...jobs.values()]
  }
}

/**
 * @param {import('pg-boss').PgBoss} boss started
 * @returns {Target}
 */
export function toPgBoss(boss) {
  return (jobs) =>
    boss.insert(
      jobs[0].type,
      jobs.map((job) => ({
        id: job.id.slice('task_'.length), // a UUID
        data: job.data,
        startAfter: job.runAt,
        priority: job.priority,
        retryLimit: job.maxRetries,
      })),
    )
}

/**
 * @param {import('graphile-worker').WorkerUtils} utils
 * @returns {Target}
 */
export function toGraphileWorker(utils) {
  return (jobs) =>
    utils.addJobs(
      jobs.map((job) => ({
        jobKey: job.id,
        identifier: job.type,
        payload: job.data,
        runAt: job.runAt,
        priority: -job.priority, // lower is first there
        maxAttempts: job.maxRetries + 1,
      })),
    )
}

/**
 * @param {import('bullmq').Queue} queue
 * @returns {Target}
 */
export function toBullMq(queue) {
  return (jobs) => {
    const now = Date.now()
    return queue.addBulk(
      jobs.map((job) => ({
        name: job.type,
        data: job.data,
        opts: {
          jobId: job.id,
          timestamp: now,
          delay: Math.max(0, job.runAt.getTime() - now),
          priority: Math.max(0, -job.priority), // lower is first there, and 0 before all
          attempts: job.maxRetries + 1,
        },
      })),
    )
  }
}
