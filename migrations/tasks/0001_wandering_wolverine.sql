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
