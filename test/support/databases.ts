import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { inject } from 'vitest';

export interface FreshDatabase {
  readonly name: string;
  readonly url: string;
  /** Fails if the test left a connection open: a leak in the product is as likely as one in the test. */
  drop(): Promise<void>;
}

/**
 * A connection closed a moment ago is still listed until its backend has gone, one of a killed process until its statement has ended. Shorter
 * than a pool's idle time, after which a leak would go by itself.
 */
const CLOSING_MS = 20_000;
const POLL_MS = 25;

const withAdmin = async <T>(adminUrl: string, act: (admin: pg.Client) => Promise<T>): Promise<T> => {
  const admin = new pg.Client({ connectionString: adminUrl });
  admin.on('error', () => undefined);
  await admin.connect();
  try {
    return await act(admin);
  } finally {
    await admin.end();
  }
};

const connections = async (admin: pg.Client, database: string): Promise<readonly string[]> => {
  const { rows } = await admin.query<{ label: string }>(
    `select coalesce(nullif(application_name, ''), 'unnamed') || ' ' || coalesce(state, '') as label
       from pg_stat_activity where datname = $1 and backend_type = 'client backend' order by pid`,
    [database],
  );
  return rows.map(({ label }) => label);
};

const nameOf = (url: string): string => decodeURIComponent(new URL(url).pathname.slice(1));

/**
 * A database of its own on the server of this run (or on `adminUrl`'s), empty or a copy of `template`, the name or URL of a database that
 * nobody is connected to.
 */
export const freshDatabase = async (options: { readonly template?: string; readonly adminUrl?: string } = {}): Promise<FreshDatabase> => {
  const adminUrl = options.adminUrl ?? inject('postgresUrl');
  const name = `test_${randomBytes(8).toString('hex')}`;
  const template = options.template?.includes('://') === true ? nameOf(options.template) : (options.template ?? 'template1');
  await withAdmin(adminUrl, (admin) =>
    admin.query(`create database ${pg.escapeIdentifier(name)} template ${pg.escapeIdentifier(template)}`),
  );
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;

  const drop = (): Promise<void> =>
    withAdmin(adminUrl, async (admin) => {
      const limit = Date.now() + CLOSING_MS;
      let open = await connections(admin, name);
      while (open.length > 0 && Date.now() < limit) {
        await sleep(POLL_MS);
        open = await connections(admin, name);
      }
      await admin.query(`drop database if exists ${pg.escapeIdentifier(name)} with (force)`);
      if (open.length > 0) throw new Error(`${open.length} connections to ${name} were left open: ${open.join(', ')}`);
    });
  return { name, url: url.href, drop };
};
