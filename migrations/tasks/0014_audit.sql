CREATE TABLE "async_task_audit" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "async_task_audit_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"at" timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
	"actor_id" text,
	"actor_name" text,
	"action" text NOT NULL,
	"subject" text,
	"outcome" text NOT NULL,
	"request_id" text,
	"address" text,
	CONSTRAINT "async_task_audit_pkey" PRIMARY KEY("at","id")
);
--> statement-breakpoint
CREATE INDEX "idx_async_task_audit_actor" ON "async_task_audit" USING btree ("actor_id","at","id");--> statement-breakpoint
CREATE INDEX "idx_async_task_audit_action" ON "async_task_audit" USING btree ("action","at","id");--> statement-breakpoint
CREATE INDEX "idx_async_task_audit_subject" ON "async_task_audit" USING btree ("subject","at","id");