ALTER TABLE "async_task_types" ADD COLUMN "on_failed" varchar(100);--> statement-breakpoint
ALTER TABLE "async_task_types" ADD COLUMN "on_failed_priority" smallint;--> statement-breakpoint
ALTER TABLE "async_task_types" ADD COLUMN "on_failed_max_retries" integer;--> statement-breakpoint
ALTER TABLE "async_task_types" ADD COLUMN "on_failed_timeout_seconds" integer;