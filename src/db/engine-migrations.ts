/** Generated from migrations/tasks by `npm run db:generate`: a bundle of one file has no files beside it. */
export const ENGINE_MIGRATIONS: readonly {
  name: string
  when: number
  /** Earlier versions do not work beside it; from `oldest-versions.json`. */
  oldestVersion: string
  text: string
}[] = [
  {
    name: '0000_engine',
    when: 1_795_465_648_419,
    oldestVersion: '0.1.0',
    text: `CREATE TABLE "async_task_attempts" (
	"task_id" varchar(50) NOT NULL,
	"attempt" integer NOT NULL,
	"executor_id" uuid,
	"started_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone DEFAULT now() NOT NULL,
	"outcome" varchar(20) NOT NULL,
	"error" text,
	CONSTRAINT "async_task_attempts_pkey" PRIMARY KEY("task_id","attempt")
);
--> statement-breakpoint
CREATE TABLE "async_task_executors" (
	"executor_id" uuid PRIMARY KEY NOT NULL,
	"host" text NOT NULL,
	"pid" integer NOT NULL,
	"version" text NOT NULL,
	"slots" integer NOT NULL,
	"task_types" text[] NOT NULL,
	"lease_ms" integer NOT NULL,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"heartbeat_at" timestamp with time zone DEFAULT now() NOT NULL,
	"stopped_at" timestamp with time zone,
	"stuck" text[] DEFAULT '{}' NOT NULL
);
--> statement-breakpoint
CREATE TABLE "async_task_logs" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "async_task_logs_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"task_id" varchar(50) NOT NULL,
	"attempt" integer,
	"level" varchar(20) NOT NULL,
	"message" text NOT NULL,
	"data" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "async_task_logs_level_check" CHECK ("async_task_logs"."level" in ('DEBUG', 'INFO', 'WARNING', 'ERROR'))
);
--> statement-breakpoint
CREATE TABLE "async_task_params" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "async_task_params_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"task_id" varchar(50) NOT NULL,
	"key" varchar(100) NOT NULL,
	"value" text NOT NULL,
	CONSTRAINT "async_task_params_task_id_key_key" UNIQUE("task_id","key")
);
--> statement-breakpoint
CREATE TABLE "async_tasks" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "async_tasks_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"task_id" varchar(50) NOT NULL,
	"task_type" varchar(100) NOT NULL,
	"status" varchar(20) DEFAULT 'pending' NOT NULL,
	"priority" smallint DEFAULT 0 NOT NULL,
	"run_at" timestamp with time zone DEFAULT now() NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"executor_id" uuid,
	"stopping" boolean DEFAULT false NOT NULL,
	"progress" integer DEFAULT 0 NOT NULL,
	"total" integer DEFAULT 0 NOT NULL,
	"step" text,
	"result" text,
	"error_message" text,
	"retry_count" integer DEFAULT 0 NOT NULL,
	"max_retries" integer DEFAULT 3 NOT NULL,
	"timeout_seconds" integer DEFAULT 14400 NOT NULL,
	"created_by" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp with time zone,
	"completed_at" timestamp with time zone,
	"cancelled_at" timestamp with time zone,
	CONSTRAINT "async_tasks_task_id_key" UNIQUE("task_id"),
	CONSTRAINT "async_tasks_status_check" CHECK ("async_tasks"."status" in ('pending', 'running', 'completed', 'failed', 'cancelled')),
	CONSTRAINT "async_tasks_progress_check" CHECK ("async_tasks"."progress" >= 0 and "async_tasks"."total" >= 0 and ("async_tasks"."total" = 0 or "async_tasks"."progress" <= "async_tasks"."total"))
);
--> statement-breakpoint
ALTER TABLE "async_task_attempts" ADD CONSTRAINT "async_task_attempts_task_id_async_tasks_task_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."async_tasks"("task_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "async_task_logs" ADD CONSTRAINT "async_task_logs_task_id_async_tasks_task_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."async_tasks"("task_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "async_task_params" ADD CONSTRAINT "async_task_params_task_id_async_tasks_task_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."async_tasks"("task_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_async_task_logs_task_id" ON "async_task_logs" USING btree ("task_id","id");--> statement-breakpoint
CREATE INDEX "idx_async_tasks_due" ON "async_tasks" USING btree ("priority" DESC NULLS FIRST,"run_at","id") WHERE "async_tasks"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "idx_async_tasks_running" ON "async_tasks" USING btree ("executor_id","id") WHERE "async_tasks"."status" = 'running';--> statement-breakpoint
CREATE INDEX "idx_async_tasks_status" ON "async_tasks" USING btree ("status","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE "async_tasks"."status" in ('failed', 'cancelled');--> statement-breakpoint
CREATE INDEX "idx_async_tasks_created_at" ON "async_tasks" USING btree ("created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);`,
  },
  {
    name: '0001_features',
    when: 1_795_526_632_024,
    oldestVersion: '0.1.0',
    text: `CREATE TABLE "async_task_duties" (
	"name" varchar(50) PRIMARY KEY NOT NULL,
	"holder" uuid NOT NULL,
	"until" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "async_task_minutes" (
	"minute" timestamp with time zone NOT NULL,
	"source" uuid NOT NULL,
	"completed" integer DEFAULT 0 NOT NULL,
	"failed" integer DEFAULT 0 NOT NULL,
	"cancelled" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "async_task_minutes_pkey" PRIMARY KEY("minute","source")
);
--> statement-breakpoint
CREATE TABLE "async_task_schedules" (
	"name" varchar(100) PRIMARY KEY NOT NULL,
	"cron" text NOT NULL,
	"time_zone" text NOT NULL,
	"task_type" varchar(100) NOT NULL,
	"params" text DEFAULT '{}' NOT NULL,
	"enabled" boolean DEFAULT true NOT NULL,
	"missed" varchar(10) DEFAULT 'skip' NOT NULL,
	"declared" boolean DEFAULT false NOT NULL,
	"revision" uuid DEFAULT gen_random_uuid() NOT NULL,
	"next_run_at" timestamp (0) with time zone,
	"last_run_at" timestamp (0) with time zone,
	"last_task_id" varchar(50),
	"last_error" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "async_task_schedules_missed_check" CHECK ("async_task_schedules"."missed" in ('skip', 'once', 'all')),
	CONSTRAINT "async_task_schedules_enabled_check" CHECK ("async_task_schedules"."enabled" or "async_task_schedules"."next_run_at" is null)
);
--> statement-breakpoint
CREATE TABLE "async_task_types" (
	"task_type" varchar(100) PRIMARY KEY NOT NULL,
	"paused_at" timestamp with time zone,
	"claims" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
DROP INDEX "idx_async_tasks_due";--> statement-breakpoint
DROP INDEX "idx_async_tasks_status";--> statement-breakpoint
DROP INDEX "idx_async_tasks_created_at";--> statement-breakpoint
ALTER TABLE "async_task_attempts" ADD COLUMN "stack" text;--> statement-breakpoint
ALTER TABLE "async_tasks" ADD COLUMN "concurrency_key" text;--> statement-breakpoint
ALTER TABLE "async_tasks" ADD COLUMN "unique_key" varchar(255);--> statement-breakpoint
CREATE UNIQUE INDEX "idx_async_tasks_unique_key" ON "async_tasks" USING btree ("unique_key") WHERE "async_tasks"."unique_key" is not null and "async_tasks"."status" in ('pending', 'running');--> statement-breakpoint
CREATE INDEX "idx_async_tasks_limited" ON "async_tasks" USING btree ("task_type","concurrency_key") WHERE "async_tasks"."concurrency_key" is not null and ("async_tasks"."status" = 'running' or "async_tasks"."stopping");--> statement-breakpoint
CREATE INDEX "idx_async_tasks_keys" ON "async_tasks" USING btree ("task_type","concurrency_key","priority" DESC NULLS FIRST,"run_at","id") WHERE "async_tasks"."concurrency_key" <> '' and "async_tasks"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "idx_async_tasks_due" ON "async_tasks" USING btree ("task_type","priority" DESC NULLS FIRST,"run_at","id") WHERE "async_tasks"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "idx_async_tasks_status" ON "async_tasks" USING btree ("status","created_at","id") WHERE "async_tasks"."status" <> 'running' and "async_tasks"."created_at" >= '-infinity';--> statement-breakpoint
CREATE INDEX "idx_async_tasks_created_at" ON "async_tasks" USING btree ("task_type","status","created_at","id") WHERE "async_tasks"."status" <> 'running' and "async_tasks"."created_at" >= '-infinity';`,
  },
  {
    name: '0002_fillfactor',
    when: 1_795_736_495_236,
    oldestVersion: '0.1.0',
    text: `-- A new row of a small task fits into what is left at the end of most pages of a long history. Spread over it, each
-- would cost a page read, and a page written to the log after every checkpoint (1,860 bytes of log a task against 1,060,
-- measured with 500,000 tasks of history). With a tenth of each page kept free, rows go to pages that have room for many;
-- the versions that a claim and a completion write find theirs beside the row.
ALTER TABLE "async_tasks" SET (fillfactor = 90);
`,
  },
  {
    name: '0003_cancel_requests',
    when: 1_795_897_744_410,
    oldestVersion: '0.1.0',
    text: `CREATE TABLE "async_task_cancel_requests" (
	"task_id" varchar(50) PRIMARY KEY NOT NULL,
	"requested_at" timestamp with time zone DEFAULT now() NOT NULL
);
`,
  },
  {
    name: '0004_changes',
    when: 1_795_901_913_703,
    oldestVersion: '0.1.0',
    text: `CREATE TABLE "async_task_changes" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "async_task_changes_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	"task_ids" text[] NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "idx_async_task_changes_xid" ON "async_task_changes" USING btree ("xid");`,
  },
  {
    name: '0005_created_by',
    when: 1_795_928_383_039,
    oldestVersion: '0.1.0',
    text: `CREATE INDEX "idx_async_tasks_created_by" ON "async_tasks" USING btree ("created_by","status","created_at","id") WHERE "async_tasks"."created_by" is not null and "async_tasks"."status" <> 'running' and "async_tasks"."created_at" >= '-infinity';`,
  },
  {
    name: '0006_waiting_tasks',
    when: 1_795_931_076_286,
    oldestVersion: '0.1.0',
    text: `ALTER TABLE "async_tasks" ADD COLUMN "expires_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "async_tasks" ADD COLUMN "changed_at" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "idx_async_tasks_expires" ON "async_tasks" USING btree ("expires_at") WHERE "async_tasks"."expires_at" is not null and "async_tasks"."status" = 'pending';`,
  },
  {
    name: '0007_on_failed',
    when: 1_795_931_797_381,
    oldestVersion: '0.1.0',
    text: `ALTER TABLE "async_task_types" ADD COLUMN "on_failed" varchar(100);--> statement-breakpoint
ALTER TABLE "async_task_types" ADD COLUMN "on_failed_priority" smallint;--> statement-breakpoint
ALTER TABLE "async_task_types" ADD COLUMN "on_failed_max_retries" integer;--> statement-breakpoint
ALTER TABLE "async_task_types" ADD COLUMN "on_failed_timeout_seconds" integer;`,
  },
  {
    name: '0008_deleted_by',
    when: 1_795_939_626_603,
    oldestVersion: '0.1.0',
    text: `ALTER TABLE "async_task_changes" ADD COLUMN "created_by" text[];`,
  },
  {
    name: '0009_delayed_tasks',
    when: 1_795_941_588_714,
    oldestVersion: '0.1.0',
    text: `CREATE INDEX "idx_async_tasks_delayed" ON "async_tasks" USING btree ("task_type","run_at") WHERE "async_tasks"."status" = 'pending' and "async_tasks"."run_at" > "async_tasks"."created_at";`,
  },
  {
    name: '0010_trace_context',
    when: 1_795_941_908_772,
    oldestVersion: '0.1.0',
    text: `ALTER TABLE "async_tasks" ADD COLUMN "trace_context" text;`,
  },
  {
    name: '0011_steps',
    when: 1_795_942_746_931,
    oldestVersion: '0.1.0',
    text: `CREATE TABLE "async_task_steps" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "async_task_steps_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"task_id" varchar(50) NOT NULL,
	"name" varchar(200) NOT NULL,
	"attempt" integer NOT NULL,
	"result" text,
	"started_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone NOT NULL,
	"kept_after" integer,
	CONSTRAINT "async_task_steps_task_id_name_pk" PRIMARY KEY("task_id","name")
);
--> statement-breakpoint
ALTER TABLE "async_task_steps" ADD CONSTRAINT "async_task_steps_task_id_async_tasks_task_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."async_tasks"("task_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_async_task_steps_id" ON "async_task_steps" USING btree ("task_id","id");`,
  },
  {
    name: '0012_rate_limits',
    when: 1_795_943_696_295,
    oldestVersion: '0.1.0',
    text: `CREATE TABLE "async_task_starts" (
	"task_type" varchar(100) NOT NULL,
	"rate_key" text NOT NULL,
	"started_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "async_tasks" ADD COLUMN "rate_key" text;--> statement-breakpoint
CREATE INDEX "idx_async_task_starts" ON "async_task_starts" USING btree ("task_type","rate_key","started_at");--> statement-breakpoint
CREATE INDEX "idx_async_tasks_rate_keys" ON "async_tasks" USING btree ("task_type","rate_key","priority" DESC NULLS FIRST,"run_at","id") WHERE "async_tasks"."rate_key" <> '' and "async_tasks"."status" = 'pending';`,
  },
  {
    name: '0013_uncounted_retries',
    when: 1_795_947_109_998,
    oldestVersion: '0.1.0',
    text: `ALTER TABLE "async_task_attempts" ADD COLUMN "spent_retry" boolean;`,
  },
  {
    name: '0014_audit',
    when: 1_795_953_862_103,
    oldestVersion: '0.1.0',
    text: `CREATE TABLE "async_task_audit" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "async_task_audit_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"at" timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
	"actor_id" text,
	"actor_name" text,
	"action" text NOT NULL,
	"subject" text,
	"outcome" text NOT NULL,
	"request_id" text,
	"address" text,
	CONSTRAINT "async_task_audit_pkey" PRIMARY KEY("at","id")
);
--> statement-breakpoint
CREATE INDEX "idx_async_task_audit_actor" ON "async_task_audit" USING btree ("actor_id","at","id");--> statement-breakpoint
CREATE INDEX "idx_async_task_audit_action" ON "async_task_audit" USING btree ("action","at","id");--> statement-breakpoint
CREATE INDEX "idx_async_task_audit_subject" ON "async_task_audit" USING btree ("subject","at","id");`,
  },
  {
    name: '0015_figures',
    when: 1_795_959_658_893,
    oldestVersion: '0.1.0',
    text: `CREATE TABLE "async_task_figures" (
	"span_minutes" smallint NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"task_type" varchar(100) NOT NULL,
	"source" integer NOT NULL,
	"figures" integer[] NOT NULL,
	CONSTRAINT "async_task_figures_pkey" PRIMARY KEY("span_minutes","at","task_type","source")
);
`,
  },
  {
    name: '0016_error_groups',
    when: 1_795_967_391_517,
    oldestVersion: '0.1.0',
    text: `CREATE TABLE "async_task_error_groups" (
	"group_id" varchar(16) PRIMARY KEY NOT NULL,
	"task_type" varchar(100) NOT NULL,
	"message" text NOT NULL,
	"sample" text NOT NULL,
	"last_task_id" varchar(50) NOT NULL,
	"count" bigint NOT NULL,
	"first_at" timestamp with time zone NOT NULL,
	"last_at" timestamp with time zone NOT NULL,
	"seen_at" timestamp with time zone,
	"hours" integer[] NOT NULL,
	"hours_until" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "async_tasks" ADD COLUMN "error_group" varchar(16);--> statement-breakpoint
CREATE INDEX "idx_async_task_error_groups_type" ON "async_task_error_groups" USING btree ("task_type","last_at");--> statement-breakpoint
CREATE INDEX "idx_async_tasks_error_group" ON "async_tasks" USING btree ("error_group","created_at","id") WHERE "async_tasks"."error_group" is not null and "async_tasks"."status" = 'failed';`,
  },
  {
    name: '0017_runs',
    when: 1_795_973_110_454,
    oldestVersion: '0.1.0',
    text: `CREATE TABLE "async_task_runs" (
	"executor_id" uuid NOT NULL,
	"at" timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
	"runs" text NOT NULL,
	"omitted" integer NOT NULL,
	CONSTRAINT "async_task_runs_pkey" PRIMARY KEY("executor_id","at")
);
--> statement-breakpoint
ALTER TABLE "async_task_schedules" ADD COLUMN "recent_ticks" text[] DEFAULT '{}' NOT NULL;`,
  },
  {
    name: '0018_figure_totals',
    when: 1_796_027_248_390,
    oldestVersion: '0.1.0',
    text: `-- Figures of all types together, which the overview reads: for those of versions that wrote figures by type alone.
INSERT INTO "async_task_figures" ("span_minutes", "at", "task_type", "source", "figures")
SELECT "span_minutes", "at", '', "source", array_agg("n" ORDER BY "i")
  FROM (SELECT "span_minutes", "at", "source", "i", sum("n")::int AS "n"
          FROM "async_task_figures" CROSS JOIN unnest("figures") WITH ORDINALITY AS "number" ("n", "i")
         WHERE "task_type" <> ''
         GROUP BY 1, 2, 3, 4) AS "summed"
 GROUP BY 1, 2, 4
    ON CONFLICT ("span_minutes", "at", "task_type", "source") DO UPDATE SET "figures" = excluded."figures";
`,
  },
]
