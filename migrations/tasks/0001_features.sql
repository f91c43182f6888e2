CREATE TABLE "async_task_duties" (
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
CREATE INDEX "idx_async_tasks_created_at" ON "async_tasks" USING btree ("task_type","status","created_at","id") WHERE "async_tasks"."status" <> 'running' and "async_tasks"."created_at" >= '-infinity';