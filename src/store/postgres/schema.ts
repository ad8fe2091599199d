import { ALARM_SECTION } from '../alarm.ts'

/**
 * One step a version, never edited once released. Collation "C" compares bytes, as SQLite does.
 * `fillfactor` leaves room on the page, so that the row that each commit changes stays where it is
 * and no index is touched; values are kept as they are, since compressing them costs more CPU than
 * it saves in writes.
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE aries_nodes (
     id text COLLATE "C" PRIMARY KEY,
     incarnation bigint NOT NULL,
     status text NOT NULL,
     lease_until_ms bigint NOT NULL
   );
   CREATE TABLE aries_workers (
     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     class text COLLATE "C" NOT NULL,
     key text COLLATE "C" NOT NULL,
     node text COLLATE "C" NOT NULL,
     incarnation bigint NOT NULL,
     epoch bigint NOT NULL,
     seq bigint NOT NULL,
     UNIQUE (class, key)
   ) WITH (fillfactor = 80);
   CREATE INDEX aries_workers_node ON aries_workers (node, class, key);
   CREATE TABLE aries_sections (
     worker bigint NOT NULL,
     name text COLLATE "C" NOT NULL,
     value bytea NOT NULL,
     PRIMARY KEY (worker, name)
   ) WITH (fillfactor = 80);
   ALTER TABLE aries_sections ALTER COLUMN value SET STORAGE EXTERNAL;`,
  `CREATE INDEX aries_alarms ON aries_sections (value) WHERE name = '${ALARM_SECTION}'`,
  `ALTER TABLE aries_workers ADD COLUMN version bigint NOT NULL DEFAULT 0;
   UPDATE aries_workers SET version = 1 WHERE seq > 0`,
  'ALTER TABLE aries_workers ADD COLUMN host bigint NOT NULL DEFAULT 0',
  `CREATE TABLE aries_jobs (
     id text COLLATE "C" PRIMARY KEY,
     version bigint NOT NULL,
     state text NOT NULL,
     node text COLLATE "C" NOT NULL,
     incarnation bigint NOT NULL,
     made_ms bigint NOT NULL,
     body text NOT NULL
   );
   CREATE INDEX aries_jobs_state ON aries_jobs (state, made_ms)`,
]
