CREATE TABLE "login_guesses" (
	"name_hash" text PRIMARY KEY NOT NULL,
	"free_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "login_networks" (
	"user_id" text NOT NULL,
	"network" text NOT NULL,
	"last_login_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "login_networks_user_id_network_pk" PRIMARY KEY("user_id","network")
);
--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "managed" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "login_networks" ADD CONSTRAINT "login_networks_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_login_guesses_free_at" ON "login_guesses" USING btree ("free_at");--> statement-breakpoint
-- The first user of all is the admin that the environment made at the first start; later ones may be an operator's.
UPDATE "users" SET "managed" = true WHERE "role" = 'admin' AND "created_at" = (SELECT min("created_at") FROM "users");
