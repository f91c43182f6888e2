import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { executorRow, type Fault, HEALTHY, testFaults, useExamined } from './examined.ts'

/** Faults of processes, types, schedules and retention. */
const examined = useExamined()

function waitingTask(type: string, since: string): string {
  return `insert into async_tasks (task_id, task_type, run_at) values ('task_${randomUUID()}', '${type}', now() - interval '${since}')`
}

const FORGET = [
  'delete from async_tasks',
  'delete from async_task_types',
  `delete from async_task_executors where task_types <> '{served}'`,
]

const onRows = (...inject: string[]): Fault => ({ inject, heal: FORGET })
const sixExecutors = () => Array.from({ length: 6 }, () => executorRow({}))

testFaults(examined, [
  [
    'a database clock that went back',
    ['CLOCK_WENT_BACK'],
    /wait until the clock has caught up/,
    {
      inject: [`update async_task_executors set heartbeat_at = now() + interval '10 minutes'`],
      heal: ['update async_task_executors set heartbeat_at = now()'],
    },
  ],
  [
    'a row that a cancel waits for',
    ['CANCEL_WAITS'],
    /pg_terminate_backend/,
    {
      inject: [`insert into async_task_cancel_requests values ('task_1', now() - interval '5 minutes')`],
      heal: ['delete from async_task_cancel_requests'],
    },
  ],
  [
    'a type that nobody runs',
    ['TYPE_WITHOUT_EXECUTOR'],
    /start a process that registers 'gone'/,
    onRows(waitingTask('gone', '10 minutes')),
  ],
  [
    'a type that another program has named',
    ['TYPE_WITHOUT_EXECUTOR'],
    /cancel --task-type 'it'\\''s gone' --status pending$/,
    onRows(waitingTask(`it''s gone`, '10 minutes')),
  ],
  [
    'a forgotten pause',
    ['TYPE_PAUSED'],
    /^npx fastify-async-tasks resume 'served'/,
    onRows(
      `insert into async_task_types (task_type, paused_at) values ('served', now())`,
      waitingTask('served', '2 hours'),
    ),
  ],
  [
    'a backlog',
    ['BACKLOG'],
    /list --task-type 'served' --status running/,
    onRows(waitingTask('served', '1 hour')),
  ],
  [
    'a stuck handler',
    ['HANDLER_STUCK'],
    /restart process 7 on host/,
    onRows(executorRow({ types: '{stuck}', stuck: '{task_1}' })),
  ],
  [
    'a dead executor',
    ['EXECUTOR_DEAD'],
    /start any process with an executor/,
    onRows(
      executorRow({
        id: '018f0000-0000-7000-8000-000000000000',
        beat: `now() - interval '10 minutes'`,
        lease: 30_000,
      }),
      `insert into async_tasks (task_id, task_type, status, attempt, executor_id, started_at)
      values ('task_2', 'served', 'running', 1, '018f0000-0000-7000-8000-000000000000', now())`,
    ),
  ],
  [
    'a dead executor without a row',
    ['EXECUTOR_DEAD'],
    /start any process with an executor/,
    onRows(
      `insert into async_tasks (task_id, task_type, status, attempt, executor_id, started_at)
      values ('task_4', 'served', 'running', 1, gen_random_uuid(), now() - interval '10 minutes')`,
    ),
  ],
  [
    'processes that are killed',
    ['EXECUTORS_CRASH'],
    /SIGTERM/,
    onRows(...[1, 2, 3].map(() => executorRow({ beat: `now() - interval '10 minutes'`, lease: 30_000 }))),
  ],
  [
    'a schedule that fails',
    ['SCHEDULE_FAILS'],
    /schedules disable nightly/,
    {
      inject: [
        `insert into async_task_schedules (name, cron, time_zone, task_type, next_run_at, last_error)
      values ('nightly', '0 0 * * *', 'UTC', 'served', now() + interval '1 hour', 'no such day')`,
      ],
      heal: ['delete from async_task_schedules'],
    },
  ],
  [
    'a schedule that nobody fires',
    ['SCHEDULE_LATE'],
    /start a process with an executor/,
    {
      inject: [
        `insert into async_task_schedules (name, cron, time_zone, task_type, next_run_at)
      values ('nightly', '0 0 * * *', 'UTC', 'served', now() - interval '1 hour')`,
      ],
      heal: ['delete from async_task_schedules'],
    },
  ],
  [
    'more processes than connections',
    ['POOLS_TOO_LARGE'],
    /lower DATABASE_POOL_MAX/,
    { ...onRows(...sixExecutors()), env: { DATABASE_POOL_MAX: '10' } },
  ],
  [
    'old tasks that nobody deletes',
    ['PRUNING_STOPPED'],
    /prune --older-than-days 30/,
    onRows(
      `insert into async_tasks (task_id, task_type, status, created_at, completed_at)
      values ('task_3', 'served', 'completed', now() - interval '61 days', now() - interval '60 days')`,
    ),
  ],
  [
    'old tasks that nobody deletes, behind one that was delayed for long',
    ['PRUNING_STOPPED'],
    /prune --older-than-days 30/,
    onRows(
      `insert into async_tasks (task_id, task_type, status, created_at, completed_at)
      values ('task_5', 'served', 'completed', now() - interval '90 days', now()),
             ('task_6', 'served', 'completed', now() - interval '61 days', now() - interval '60 days')`,
    ),
  ],
])

test('pools whose size is not known are no illness', async () => {
  onTestFinished(() => examined.sql(...FORGET))
  await examined.sql(...sixExecutors())
  const found = await examined.examine({}, { DATABASE_POOL_MAX: '' })
  expect(found).toMatchObject(HEALTHY)
  expect(found.notChecked).toEqual([expect.stringMatching(/^pools: .*set DATABASE_POOL_MAX/)])
})
