ALTER TABLE "async_task_attempts" ADD COLUMN "stack" text;--> statement-breakpoint
ALTER TABLE "async_tasks" ADD COLUMN "unique_key" varchar(255);--> statement-breakpoint
ALTER TABLE "async_tasks" ADD COLUMN "concurrency_key" varchar(255);--> statement-breakpoint
CREATE UNIQUE INDEX "idx_async_tasks_unique_key" ON "async_tasks" USING btree ("unique_key") WHERE "async_tasks"."unique_key" is not null and "async_tasks"."status" in ('pending', 'running');