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
DROP INDEX "idx_async_tasks_status";--> statement-breakpoint
CREATE INDEX "idx_async_tasks_task_type" ON "async_tasks" USING btree ("task_type","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "idx_async_tasks_status" ON "async_tasks" USING btree ("status","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST,"task_type") WHERE "async_tasks"."status" in ('failed', 'cancelled');