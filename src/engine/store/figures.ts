import { type Database, execute, statement } from '../../db/database.ts'
import { instant } from '../../db/reading.ts'
import { type Figures, noFigures } from '../definition/figures.ts'
import { MINUTES } from './tables.ts'

/** Lengths of spans in minutes, and the hours that their figures are kept. */
const SPANS = { 1: 3, 15: 48, 60: 8 * 24 } as const
export type Span = keyof typeof SPANS

const spanOf = (at: string, span: string) => `date_bin(${span} * interval '1 minute', ${at}, 'epoch')`

const ofOneMinute = (i: number) => `case when span = 1 then coalesce(figures[${i}], 0) else 0 end`

/** The rows of `counted` (at, task_type, figures) for each span. */
const rowsOf = (
  counted: string,
  source: string,
) => `select ${spanOf('at', 'span')} as minute, ${source} as source, task_type, span,
          ${ofOneMinute(1)}, ${ofOneMinute(2)}, ${ofOneMinute(3)}, figures
     from ${counted}`

const COLUMNS = '(minute, source, task_type, span_minutes, completed, failed, cancelled, figures)'

// The source is the same in all processes. Rows are locked in order, so that no two processes deadlock.
const SHARED = `substring(sha256(convert_to(span || ' ' || task_type, 'UTF8')) for 16)`

const ADD = statement(
  'figures_add',
  `with counted as (
     select now() - age_ms * interval '1 millisecond' as at, task_type, figures::int[] as figures
       from unnest($1::float8[], $2::text[], $3::text[]) as given (age_ms, task_type, figures)
   ), numbers as (
     select ${spanOf('at', 'span')} as at, span, task_type, i, sum(n)::int as n
       from counted
      cross join unnest(array[${Object.keys(SPANS).join(', ')}]) as span
      cross join unnest(figures) with ordinality as number (n, i)
      group by 1, 2, 3, 4
   ), summed as (
     select at, span, task_type, array_agg(n order by i) as figures from numbers group by 1, 2, 3
   )
   insert into ${MINUTES} as m ${COLUMNS}
   ${rowsOf('summed', `encode(${SHARED}, 'hex')::uuid`)}
    order by minute, source
   on conflict (minute, source) do update
      set completed = m.completed + excluded.completed,
          failed = m.failed + excluded.failed,
          cancelled = m.cancelled + excluded.cancelled,
          figures = (select array_agg(coalesce(a, 0) + coalesce(b, 0) order by i)
                       from unnest(m.figures, excluded.figures) with ordinality as number (a, b, i))`,
)

export interface NewFigures {
  readonly ageMs: number
  readonly taskType: string
  readonly figures: Figures
}

export async function addFigures(db: Database, given: readonly NewFigures[]): Promise<void> {
  await execute(db, ADD, [
    given.map(({ ageMs }) => ageMs),
    given.map(({ taskType }) => taskType),
    given.map(({ figures }) => `{${figures.join(',')}}`),
  ])
}

/** Counts a statement's cancelled tasks with it. In rows of its own: the statement may be part of a long transaction. */
export const countCancelled = (cancelled: string) => `counted as (
     insert into ${MINUTES} ${COLUMNS}
     ${rowsOf(
       `(select statement_timestamp() as at, span, task_type, array[0, 0, count(*)::int, 0] as figures
          from ${cancelled}
         cross join unnest(array[${Object.keys(SPANS).join(', ')}]) as span
         group by span, task_type) ended`,
       'gen_random_uuid()',
     )}
   )`

const READ = statement(
  'figures_read',
  `select ${instant('given.minute')} as at, (
            select json_agg(json_build_array(i, n))
              from (select i, sum(n) as n
                      from ${MINUTES} m
                     cross join unnest(coalesce(m.figures, array[m.completed, m.failed, m.cancelled, 0]))
                           with ordinality as number (n, i)
                     where m.minute = given.minute and m.span_minutes = $1 and n > 0
                       and ($3::text is null or m.task_type = $3)
                     group by i) summed) as numbers
     from generate_series(${spanOf('now()', '$1::int')} - ($2::int - 1) * $1::int * interval '1 minute',
                          ${spanOf('now()', '$1::int')}, $1::int * interval '1 minute') as given (minute)
    order by given.minute`,
)

export interface SpanFigures {
  readonly at: Date
  readonly figures: Figures
}

/** The latest spans, oldest first; the last one is incomplete. `taskType` null: all types. */
export async function readFigures(
  db: Database,
  { span, count, taskType }: { span: Span; count: number; taskType: string | null },
): Promise<SpanFigures[]> {
  const values = [span, count, taskType]
  const rows = await execute<{ at: Date; numbers: [i: number, n: number][] | null }>(db, READ, values)
  return rows.map(({ at, numbers }) => {
    const figures = noFigures()
    for (const [i, n] of numbers ?? []) figures[i - 1] = n
    return { at, figures }
  })
}

const ENDS_BY_TYPE = statement(
  'figures_ends_by_type',
  `select coalesce(task_type, '') as "taskType", sum(completed)::float8 as completed, sum(failed)::float8 as failed
     from ${MINUTES}
    where minute > now() - interval '5 minutes' and span_minutes = 1
    group by 1`,
)

/** Tasks that ended in the last four to five minutes. */
export function countEndsByType(
  db: Database,
): Promise<{ taskType: string; completed: number; failed: number }[]> {
  return execute(db, ENDS_BY_TYPE, [])
}

const FORGET = statement(
  'figures_forget',
  `delete from ${MINUTES}
    where minute < now() - interval '1 hour' * case span_minutes
          ${Object.entries(SPANS)
            .map(([span, hours]) => `when ${span} then ${hours}`)
            .join(' ')} else 0 end`,
)

export async function forgetFigures(db: Database): Promise<void> {
  await execute(db, FORGET, [])
}
