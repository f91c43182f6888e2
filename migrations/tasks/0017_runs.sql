CREATE TABLE "async_task_runs" (
	"executor_id" uuid NOT NULL,
	"at" timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
	"runs" text NOT NULL,
	"omitted" integer NOT NULL,
	CONSTRAINT "async_task_runs_pkey" PRIMARY KEY("executor_id","at")
);
--> statement-breakpoint
ALTER TABLE "async_task_schedules" ADD COLUMN "recent_ticks" text[] DEFAULT '{}' NOT NULL;