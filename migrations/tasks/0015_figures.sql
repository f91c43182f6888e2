ALTER TABLE "async_task_minutes" ADD COLUMN "task_type" varchar(100);--> statement-breakpoint
ALTER TABLE "async_task_minutes" ADD COLUMN "span_minutes" smallint DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "async_task_minutes" ADD COLUMN "figures" integer[];