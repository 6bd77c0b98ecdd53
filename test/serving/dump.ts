import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import pg from 'pg';
import { temporaryFolder } from '../support/folders.ts';

/** The programs of the machine, if they are new enough for the oldest server that we support. */
export function dumpTools(): boolean {
  try {
    const text = execFileSync('pg_dump', ['--version'], { encoding: 'utf8' });
    execFileSync('pg_restore', ['--version']);
    return Number(/(\d+)/.exec(text)?.[1] ?? 0) >= 15;
  } catch {
    return false;
  }
}

/** Returns what puts the database back to now. */
export function dump(url: string, adminUrl: string): () => Promise<void> {
  const file = join(temporaryFolder('dump'), 'home.dump');
  execFileSync('pg_dump', ['--format=custom', `--file=${file}`, url]);
  const name = new URL(url).pathname.slice(1);
  return async () => {
    const admin = new pg.Client({ connectionString: adminUrl });
    await admin.connect();
    await admin.query(`drop database ${name} with (force)`);
    await admin.query(`create database ${name}`);
    await admin.end();
    execFileSync('pg_restore', ['--exit-on-error', `--dbname=${url}`, file]);
  };
}
