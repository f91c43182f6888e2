CREATE TABLE "async_task_figures" (
	"span_minutes" smallint NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"task_type" varchar(100) NOT NULL,
	"source" integer NOT NULL,
	"figures" integer[] NOT NULL,
	CONSTRAINT "async_task_figures_pkey" PRIMARY KEY("span_minutes","at","task_type","source")
);
