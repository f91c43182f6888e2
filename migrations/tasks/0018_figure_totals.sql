-- Figures of all types together, which the overview reads: for those of versions that wrote figures by type alone.
INSERT INTO "async_task_figures" ("span_minutes", "at", "task_type", "source", "figures")
SELECT "span_minutes", "at", '', "source", array_agg("n" ORDER BY "i")
  FROM (SELECT "span_minutes", "at", "source", "i", sum("n")::int AS "n"
          FROM "async_task_figures" CROSS JOIN unnest("figures") WITH ORDINALITY AS "number" ("n", "i")
         WHERE "task_type" <> ''
         GROUP BY 1, 2, 3, 4) AS "summed"
 GROUP BY 1, 2, 4
    ON CONFLICT ("span_minutes", "at", "task_type", "source") DO UPDATE SET "figures" = excluded."figures";
