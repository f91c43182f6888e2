-- In the bundled server whoever asked for a task is one of its users. A constraint of this history alone:
-- a host that embeds the engine keeps its users elsewhere.
ALTER TABLE "async_tasks" ADD CONSTRAINT "async_tasks_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null;
