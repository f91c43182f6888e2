CREATE TABLE "async_task_types" (
	"task_type" varchar(100) PRIMARY KEY NOT NULL,
	"paused_at" timestamp with time zone,
	"claims" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
DROP INDEX "idx_async_tasks_due";--> statement-breakpoint
DROP INDEX "idx_async_tasks_status";--> statement-breakpoint
DROP INDEX "idx_async_tasks_created_at";--> statement-breakpoint
ALTER TABLE "async_tasks" ADD COLUMN "concurrency_key" text;--> statement-breakpoint
CREATE INDEX "idx_async_tasks_limited" ON "async_tasks" USING btree ("task_type","concurrency_key") WHERE "async_tasks"."concurrency_key" is not null and ("async_tasks"."status" = 'running' or "async_tasks"."stopping");--> statement-breakpoint
CREATE INDEX "idx_async_tasks_keys" ON "async_tasks" USING btree ("task_type","concurrency_key","priority" DESC NULLS FIRST,"run_at","id") WHERE "async_tasks"."concurrency_key" <> '' and "async_tasks"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "idx_async_tasks_due" ON "async_tasks" USING btree ("task_type","priority" DESC NULLS FIRST,"run_at","id") WHERE "async_tasks"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "idx_async_tasks_status" ON "async_tasks" USING btree ("status","created_at","id") WHERE "async_tasks"."status" <> 'running' and "async_tasks"."created_at" >= '-infinity';--> statement-breakpoint
CREATE INDEX "idx_async_tasks_created_at" ON "async_tasks" USING btree ("task_type","status","created_at","id") WHERE "async_tasks"."status" <> 'running' and "async_tasks"."created_at" >= '-infinity';