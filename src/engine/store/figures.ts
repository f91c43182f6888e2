import { type Database, execute, statement } from '../../db/database.ts'
import { instant } from '../../db/reading.ts'
import { type Figures, noFigures } from '../definition/figures.ts'
import { type CountedGroup, countErrors, errorsValue } from './error-groups.ts'
import { FIGURES, MINUTES } from './tables.ts'

/** Lengths of spans in minutes, and the hours that their figures are kept. */
const SPANS = { 1: 3, 15: 48, 60: 8 * 24 } as const
export type Span = keyof typeof SPANS

const spanOf = (at: string, span: string) => `date_bin(${span} * interval '1 minute', ${at}, 'epoch')`

const EVERY_SPAN = `cross join unnest(array[${Object.keys(SPANS).join(', ')}]) as span`

/** Numbers that processes choose from as their source: a few, so that they rarely wait for each other's rows. */
export const SOURCES = 8

const COLUMNS = '(span_minutes, at, task_type, source, figures)'

/** The type of rows that add up all types, so that the overview need not read those of each. */
export const ALL_TYPES = ''

/** Others may insert tasks whose type has no name, which would be added twice to the sum of all. */
const HAS_NAME = `task_type <> '${ALL_TYPES}'`

const ADD_UP = `on conflict (span_minutes, at, task_type, source) do update
      set figures = (select array_agg(coalesce(a, 0) + coalesce(b, 0) order by i)
                       from unnest(m.figures, excluded.figures) with ordinality as number (a, b, i))`

// Rows are locked in order, so that no two processes deadlock.
const ADD = statement(
  'figures_add',
  `with counted as (
     select now() - age_ms * interval '1 millisecond' as at, task_type, figures::int[] as figures
       from unnest($1::float8[], $2::text[], $3::text[]) as given (age_ms, task_type, figures)
      where ${HAS_NAME}
   ), numbers as (
     select span, bin as at, coalesce(task_type, '${ALL_TYPES}') as task_type, i, sum(n)::int as n
       from counted
      ${EVERY_SPAN}
      cross join lateral ${spanOf('at', 'span')} as bin
      cross join unnest(figures) with ordinality as number (n, i)
      group by grouping sets ((span, bin, task_type, i), (span, bin, i))
   ), ${countErrors(5)}
   insert into ${FIGURES} as m ${COLUMNS}
   select span, at, task_type, $4::int, array_agg(n order by i)
     from numbers
    group by 1, 2, 3
    order by 1, 2, 3
   ${ADD_UP}`,
)

export interface NewFigures {
  readonly ageMs: number
  readonly taskType: string
  readonly figures: Figures
}

/** @param source less than `SOURCES` */
export async function addFigures(
  db: Database,
  source: number,
  given: readonly NewFigures[],
  errors: readonly CountedGroup[] = [],
): Promise<void> {
  await execute(db, ADD, [
    given.map(({ ageMs }) => ageMs),
    given.map(({ taskType }) => taskType),
    given.map(({ figures }) => `{${figures.join(',')}}`),
    source,
    errorsValue(errors),
  ])
}

// Tasks are cancelled in transactions of callers, too, which may be long: each takes a source that no other holds, so that
// none waits for another. Where all are held, its connection has one.
const FREE_SOURCE = `coalesce(
            (select -n from generate_series(1, ${SOURCES}) as n
              where pg_try_advisory_xact_lock(hashtext('fastify-async-tasks figures'), n) limit 1),
            -${SOURCES} - pg_backend_pid())`

/** Counts a statement's cancelled tasks with it. */
export const countCancelled = (cancelled: string) => `counted as (
     insert into ${FIGURES} as m ${COLUMNS}
     select span, ${spanOf('statement_timestamp()', 'span')}, coalesce(task_type, '${ALL_TYPES}'), ${FREE_SOURCE},
            array[0, 0, count(*)::int, 0]
       from ${cancelled}
      ${EVERY_SPAN}
      where ${HAS_NAME}
      group by grouping sets ((span, task_type), (span))
     ${ADD_UP}
   )`

/** Adding up each number of the arrays takes a fifth of the time that grouping unnested ones does. */
const SUMS = `to_json(array[${noFigures()
  .map((_zero, i) => `coalesce(sum(figures[${i + 1}]), 0)`)
  .join(', ')}])`

// Versions without these figures count ends by minute only, of all types.
const READ = statement(
  'figures_read',
  `select ${instant('given.at')} as at, (
            select ${SUMS}
              from (select f.figures from ${FIGURES} f
                     where f.span_minutes = $1 and f.at = given.at and f.task_type = $3
                    union all
                    select array[m.completed, m.failed, m.cancelled] from ${MINUTES} m
                     where m.minute = given.at and $1 = 1 and $3 = '${ALL_TYPES}') kept) as figures
     from generate_series(${spanOf('now()', '$1::int')} - ($2::int - 1) * $1::int * interval '1 minute',
                          ${spanOf('now()', '$1::int')}, $1::int * interval '1 minute') as given (at)
    order by given.at`,
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
  const values = [span, count, taskType ?? ALL_TYPES]
  return execute<SpanFigures>(db, READ, values)
}

const FIRST_SPAN = `${spanOf('now()', '$1::int')} - ($2::int - 1) * $1::int * interval '1 minute'`

const READ_BY_TYPE = statement(
  'figures_read_by_type',
  `with kept as (
     select task_type, figures, (extract(epoch from at - (${FIRST_SPAN})) / 60 / $1::int)::int as place
       from ${FIGURES}
      where span_minutes = $1 and at >= ${FIRST_SPAN} and at <= now() and task_type <> '${ALL_TYPES}'
   ), spans as (
     select task_type, json_agg(json_build_array(place, ended, failed)) as spans
       from (select task_type, place, sum(coalesce(figures[1], 0) + coalesce(figures[2], 0) + coalesce(figures[3], 0)) as ended,
                    sum(coalesce(figures[2], 0)) as failed
               from kept group by 1, 2) summed
      group by 1
   ), summed as (
     select task_type, ${SUMS} as figures from kept group by 1
   )
   select task_type as "taskType", spans, figures from spans join summed using (task_type)`,
)

export interface TypeFigures {
  readonly taskType: string
  /** Of all spans together. */
  readonly figures: Figures
  /** Tasks that ended in each span, oldest first. */
  readonly ended: number[]
  readonly failed: number[]
}

/** The latest spans of each type that has figures in them. */
export async function readFiguresByType(
  db: Database,
  { span, count }: { span: Span; count: number },
): Promise<TypeFigures[]> {
  const rows = await execute<{
    taskType: string
    spans: [place: number, ended: number, failed: number][]
    figures: Figures
  }>(db, READ_BY_TYPE, [span, count])
  return rows.map(({ taskType, spans, figures }) => {
    const read = { taskType, figures, ended: zeros(count), failed: zeros(count) }
    for (const [place, ended, failed] of spans) {
      read.ended[place] = ended
      read.failed[place] = failed
    }
    return read
  })
}

const zeros = (count: number) => new Array<number>(count).fill(0)

const ENDS_BY_TYPE = statement(
  'figures_ends_by_type',
  `select task_type as "taskType", coalesce(sum(completed), 0)::float8 as completed,
          coalesce(sum(failed), 0)::float8 as failed
     from (select at, task_type, figures[1] as completed, figures[2] as failed from ${FIGURES}
            where span_minutes = 1 and task_type <> '${ALL_TYPES}'
           union all
           select minute, null, completed, failed from ${MINUTES}) ended
    where at > now() - interval '5 minutes'
    group by 1`,
)

/** Null: ended in processes of versions that do not count types. */
export interface TypeEnds {
  readonly taskType: string | null
  readonly completed: number
  readonly failed: number
}

/** Tasks that ended in the last four to five minutes. */
export function countEndsByType(db: Database): Promise<TypeEnds[]> {
  return execute(db, ENDS_BY_TYPE, [])
}

const FORGET = statement(
  'figures_forget',
  `with forgotten as (
     delete from ${MINUTES} where minute < now() - interval '${SPANS[1]} hours'
   )
   delete from ${FIGURES}
    where at < now() - interval '1 hour' * case span_minutes
          ${Object.entries(SPANS)
            .map(([span, hours]) => `when ${span} then ${hours}`)
            .join(' ')} else 0 end`,
)

export async function forgetFigures(db: Database): Promise<void> {
  await execute(db, FORGET, [])
}
