import { ATTEMPTS } from './tables.ts'

type Values = Readonly<
  Record<'executor' | 'outcome', string> & Partial<Record<'error' | 'stack' | 'spentRetry' | 'where', string>>
>

/** Records ended attempts. Tolerates rows that others edited: one must not fail the whole statement. */
export function recordAttempts(
  from: string,
  { executor, outcome, error, stack, spentRetry, where }: Values,
): string {
  return `recorded as (
     insert into ${ATTEMPTS} (task_id, attempt, executor_id, started_at, outcome, error, stack, spent_retry)
     select task_id, attempt, ${executor}, coalesce(started_at, now()), ${outcome}, ${error ?? 'null'}, ${stack ?? 'null'},
            ${spentRetry ?? 'null::boolean'}
       from ${from}${where === undefined ? '' : ` where ${where}`}
     on conflict (task_id, attempt) do update
        set executor_id = excluded.executor_id, started_at = excluded.started_at, ended_at = now(),
            outcome = excluded.outcome, error = excluded.error, stack = excluded.stack,
            spent_retry = excluded.spent_retry
   )`
}
