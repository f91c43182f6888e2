CREATE TABLE "sessions" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" text PRIMARY KEY NOT NULL,
	"username" text NOT NULL,
	"password_hash" text NOT NULL,
	"role" text DEFAULT 'user' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "users_username_key" UNIQUE("username"),
	CONSTRAINT "users_role_check" CHECK ("users"."role" in ('admin', 'user'))
);
--> statement-breakpoint
CREATE TABLE "daily_market_data" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "daily_market_data_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"entity_type" varchar(20) NOT NULL,
	"entity_id" varchar(20) NOT NULL,
	"symbol" varchar(20) NOT NULL,
	"date" date NOT NULL,
	"open" numeric(12, 4) NOT NULL,
	"high" numeric(12, 4) NOT NULL,
	"low" numeric(12, 4) NOT NULL,
	"close" numeric(12, 4) NOT NULL,
	"volume" bigint NOT NULL,
	"amount" numeric(20, 2),
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "daily_market_data_entity_date_key" UNIQUE("entity_type","entity_id","date"),
	CONSTRAINT "daily_market_data_entity_type_check" CHECK ("daily_market_data"."entity_type" in ('stock', 'sector')),
	CONSTRAINT "daily_market_data_range_check" CHECK ("daily_market_data"."low" > 0 and "daily_market_data"."high" >= "daily_market_data"."low" and "daily_market_data"."volume" >= 0)
);
--> statement-breakpoint
CREATE TABLE "market_finished_units" (
	"task_id" varchar(50) NOT NULL,
	"unit" text NOT NULL,
	"finished_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "market_finished_units_pkey" PRIMARY KEY("task_id","unit")
);
--> statement-breakpoint
CREATE TABLE "sector_stocks" (
	"sector_code" varchar(20) NOT NULL,
	"stock_code" varchar(6) NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "sector_stocks_pkey" PRIMARY KEY("sector_code","stock_code")
);
--> statement-breakpoint
CREATE TABLE "sectors" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "sectors_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"code" varchar(20) NOT NULL,
	"name" text NOT NULL,
	"type" varchar(20) NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "sectors_code_key" UNIQUE("code"),
	CONSTRAINT "sectors_type_check" CHECK ("sectors"."type" in ('industry', 'concept'))
);
--> statement-breakpoint
CREATE TABLE "stocks" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "stocks_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"symbol" varchar(6) NOT NULL,
	"name" text NOT NULL,
	"list_date" date,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "stocks_symbol_key" UNIQUE("symbol"),
	CONSTRAINT "stocks_symbol_check" CHECK ("stocks"."symbol" ~ '^[0-9]{6}$')
);
--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "market_finished_units" ADD CONSTRAINT "market_finished_units_task_id_async_tasks_task_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."async_tasks"("task_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_sessions_user_id" ON "sessions" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "idx_sessions_expires_at" ON "sessions" USING btree ("expires_at");