CREATE TABLE "async_task_steps" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "async_task_steps_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"task_id" varchar(50) NOT NULL,
	"name" varchar(200) NOT NULL,
	"attempt" integer NOT NULL,
	"result" text,
	"started_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone NOT NULL,
	"kept_after" integer,
	CONSTRAINT "async_task_steps_task_id_name_pk" PRIMARY KEY("task_id","name")
);
--> statement-breakpoint
ALTER TABLE "async_task_steps" ADD CONSTRAINT "async_task_steps_task_id_async_tasks_task_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."async_tasks"("task_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_async_task_steps_id" ON "async_task_steps" USING btree ("task_id","id");