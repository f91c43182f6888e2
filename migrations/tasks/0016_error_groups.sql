CREATE TABLE "async_task_error_groups" (
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
CREATE INDEX "idx_async_tasks_error_group" ON "async_tasks" USING btree ("error_group","created_at","id") WHERE "async_tasks"."error_group" is not null and "async_tasks"."status" = 'failed';