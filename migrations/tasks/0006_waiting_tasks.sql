ALTER TABLE "async_tasks" ADD COLUMN "expires_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "async_tasks" ADD COLUMN "changed_at" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "idx_async_tasks_expires" ON "async_tasks" USING btree ("expires_at") WHERE "async_tasks"."expires_at" is not null and "async_tasks"."status" = 'pending';