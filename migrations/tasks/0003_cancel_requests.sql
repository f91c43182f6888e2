CREATE TABLE "async_task_cancel_requests" (
	"task_id" varchar(50) PRIMARY KEY NOT NULL,
	"requested_at" timestamp with time zone DEFAULT now() NOT NULL
);
