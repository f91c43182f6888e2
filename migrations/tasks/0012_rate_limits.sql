CREATE TABLE "async_task_starts" (
	"task_type" varchar(100) NOT NULL,
	"rate_key" text NOT NULL,
	"started_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "async_tasks" ADD COLUMN "rate_key" text;--> statement-breakpoint
CREATE INDEX "idx_async_task_starts" ON "async_task_starts" USING btree ("task_type","rate_key","started_at");--> statement-breakpoint
CREATE INDEX "idx_async_tasks_rate_keys" ON "async_tasks" USING btree ("task_type","rate_key","priority" DESC NULLS FIRST,"run_at","id") WHERE "async_tasks"."rate_key" <> '' and "async_tasks"."status" = 'pending';