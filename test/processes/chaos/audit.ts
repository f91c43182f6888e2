import pg from 'pg'

/**
 * What really ran, by the word of the handlers themselves: a table in another database than the engine's, which no
 * fault reaches. Its server's clock dates everything.
 */
const TABLES = `
  create table runs (
    id bigint generated always as identity primary key,
    task_id text not null,
    attempt integer not null,
    worker text not null,
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    how text
  );
  create index on runs (task_id, started_at);
  create table effects (
    id bigint generated always as identity primary key,
    task_id text not null,
    step integer not null,
    attempt integer not null,
    nonce text not null
  );
  create table deaths (
    worker text primary key,
    at timestamptz not null default clock_timestamp()
  )`

// A run that starts before an earlier one of its task has ended, unless that one's process was already dead.
const OVERLAPS = `
  select earlier.task_id as "taskId", earlier.attempt as "first", later.attempt as "second",
         earlier.worker as "firstWorker", later.worker as "secondWorker"
    from runs earlier
    join runs later on later.task_id = earlier.task_id
                   and (later.started_at, later.id) > (earlier.started_at, earlier.id)
    left join deaths on deaths.worker = earlier.worker
   where (earlier.ended_at <= later.started_at) is not true
     and (deaths.at <= later.started_at) is not true`

// At one instant ends come first: they were written before the next one could start.
const MOST_AT_ONCE = `
  with live as (
    select started_at, coalesce(ended_at, deaths.at, 'infinity') as ended_at
      from runs left join deaths using (worker)
     where task_id = any($1)
  ), steps as (
    select started_at as at, 1 as step from live union all select ended_at, -1 from live
  )
  select coalesce(max(live), 0)::int as most
    from (select sum(step) over (order by at, step) as live from steps) counted`

export interface AuditedRun {
  readonly attempt: number
  readonly worker: string
  /** Undefined: its process died first. */
  readonly how: string | undefined
}

/** What a step has done. */
export interface Effect {
  readonly taskId: string
  readonly step: number
  readonly attempt: number
  readonly nonce: string
}

/** The handlers' side, in a worker. */
export class AuditWriter {
  readonly #pool: pg.Pool
  readonly #worker: string

  constructor(url: string, worker: string) {
    // No connection is closed at rest: its place might be taken for good, or given to the engine.
    this.#pool = new pg.Pool({
      connectionString: url,
      max: 4,
      application_name: 'audit',
      idleTimeoutMillis: 0,
    })
    // Restarts break idle connections; the pool replaces them.
    this.#pool.on('error', () => {})
    this.#worker = worker
  }

  /** Answers what `ended` wants. */
  async started(taskId: string, attempt: number): Promise<string> {
    const { rows } = await this.#pool.query<{ id: string }>({
      name: 'started',
      text: 'insert into runs (task_id, attempt, worker) values ($1, $2, $3) returning id',
      values: [taskId, attempt, this.#worker],
    })
    return rows[0]?.id ?? ''
  }

  async ended(run: string, how: string): Promise<void> {
    await this.#pool.query({
      name: 'ended',
      text: 'update runs set ended_at = clock_timestamp(), how = $2 where id = $1',
      values: [run, how],
    })
  }

  /** What a step has done outside of the engine's database. */
  async note({ taskId, step, attempt, nonce }: Effect): Promise<void> {
    await this.#pool.query({
      name: 'effect',
      text: 'insert into effects (task_id, step, attempt, nonce) values ($1, $2, $3, $4)',
      values: [taskId, step, attempt, nonce],
    })
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }
}

/** The test's side. */
export class Audit {
  readonly #pool: pg.Pool

  constructor(pool: pg.Pool) {
    this.#pool = pool
  }

  async createTables(): Promise<void> {
    await this.#pool.query(TABLES)
  }

  /** To be called when the process is gone for certain. */
  async noteDeath(worker: string): Promise<void> {
    await this.#pool.query('insert into deaths (worker) values ($1) on conflict do nothing', [worker])
  }

  /** In the order in which they started. */
  async runs(taskId: string): Promise<AuditedRun[]> {
    const { rows } = await this.#pool.query<{ attempt: number; worker: string; how: string | null }>(
      'select attempt, worker, how from runs where task_id = $1 order by started_at, id',
      [taskId],
    )
    return rows.map(({ how, ...run }) => ({ ...run, how: how ?? undefined }))
  }

  /** What the steps of a task have done, in that order. */
  async effects(taskId: string): Promise<Effect[]> {
    const text =
      'select task_id as "taskId", step, attempt, nonce from effects where task_id = $1 order by id'
    return (await this.#pool.query<Effect>(text, [taskId])).rows
  }

  /** Tasks that have a run, and runs. */
  async count(): Promise<{ tasks: number; runs: number }> {
    const { rows } = await this.#pool.query<{ tasks: number; runs: number }>(
      'select count(distinct task_id)::int as tasks, count(*)::int as runs from runs',
    )
    return rows[0] ?? { tasks: 0, runs: 0 }
  }

  /** How many of these tasks were live at once at most. Whose process died counts until then. */
  async mostAtOnce(taskIds: readonly string[]): Promise<number> {
    const { rows } = await this.#pool.query<{ most: number }>(MOST_AT_ONCE, [taskIds])
    return rows[0]?.most ?? 0
  }

  /** Attempts that ran twice. */
  async doubled(): Promise<unknown[]> {
    const text =
      'select task_id as "taskId", attempt, array_agg(worker) as workers from runs group by 1, 2 having count(*) > 1'
    return (await this.#pool.query(text)).rows
  }

  /** Pairs of attempts of one task that were live at once. */
  async overlaps(): Promise<unknown[]> {
    return (await this.#pool.query(OVERLAPS)).rows
  }
}
