import { ALARM_SECTION } from '../alarm.ts'

/**
 * One step a version, never edited once released. Names of sections and workers compare as bytes,
 * as in PostgreSQL's collation "C".
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE aries_nodes (
     id TEXT PRIMARY KEY,
     incarnation INTEGER NOT NULL,
     status TEXT NOT NULL,
     lease_until_ms INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE aries_workers (
     id INTEGER PRIMARY KEY,
     class TEXT NOT NULL,
     key TEXT NOT NULL,
     node TEXT NOT NULL,
     incarnation INTEGER NOT NULL,
     epoch INTEGER NOT NULL,
     seq INTEGER NOT NULL,
     UNIQUE (class, key)
   ) STRICT;
   CREATE INDEX aries_workers_node ON aries_workers (node, class, key);
   CREATE TABLE aries_sections (
     worker INTEGER NOT NULL,
     name TEXT NOT NULL,
     value BLOB NOT NULL,
     PRIMARY KEY (worker, name)
   ) STRICT, WITHOUT ROWID;`,
  `CREATE INDEX aries_alarms ON aries_sections (value) WHERE name = '${ALARM_SECTION}'`,
  `ALTER TABLE aries_workers ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
   UPDATE aries_workers SET version = 1 WHERE seq > 0`,
  'ALTER TABLE aries_workers ADD COLUMN host INTEGER NOT NULL DEFAULT 0',
  `CREATE TABLE aries_jobs (
     id TEXT PRIMARY KEY,
     version INTEGER NOT NULL,
     state TEXT NOT NULL,
     node TEXT NOT NULL,
     incarnation INTEGER NOT NULL,
     made_ms INTEGER NOT NULL,
     body TEXT NOT NULL
   ) STRICT;
   CREATE INDEX aries_jobs_state ON aries_jobs (state, made_ms)`,
]
