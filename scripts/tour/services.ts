import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { makeStateFolder } from '../paths.ts';
import { freePort } from '../services/ports.ts';
import { startPostgres } from '../services/postgres.ts';
import { startTemporal } from '../services/temporal.ts';
import type { Story } from './story.ts';

export interface Services {
  /** Of a database on our server, made if it is missing. */
  readonly database: (name: string) => Promise<string>;
  /** Settings by which the command and the worker find Temporal. */
  readonly temporal: Readonly<Record<string, string>>;
  /** True when Temporal is ours, so that schedules may be made in it. */
  readonly ownTemporal: boolean;
  /** Temporal's own console; null where it is not ours. */
  readonly console: string | null;
}

/** What must not reach our own server's clients: a profile of the user's may want TLS or another namespace. */
const FOREIGN_SETTINGS = /^TEMPORAL_/;
/** Temporal's usual port for its console. */
const CONSOLE_PORT = 8233;

/** Starts PostgreSQL and, unless TEMPORAL_ADDRESS names one, Temporal. `onStop` is told how to stop what was started. */
export async function startServices(story: Story, env: NodeJS.ProcessEnv, onStop: (stop: () => Promise<void>) => void): Promise<Services> {
  const log = (line: string): void => story.say(`  ${line}`);
  const postgres = await story.step('Start PostgreSQL', async () => {
    const service = await startPostgres({ dir: join(makeStateFolder(), 'postgres'), log });
    onStop(() => service.stop());
    log(`127.0.0.1:${service.port}`);
    return service;
  });
  const database = async (name: string): Promise<string> => {
    await createDatabase(postgres.adminUrl, name);
    return postgres.url(name);
  };
  if ((env['TEMPORAL_ADDRESS'] ?? '') !== '') {
    log(`Temporal: yours at ${env['TEMPORAL_ADDRESS'] ?? ''} (TEMPORAL_ADDRESS)`);
    return { database, temporal: {}, ownTemporal: false, console: null };
  }
  const temporal = await story.step('Start a Temporal server', async () => {
    const uiPort = await freePort(CONSOLE_PORT);
    const service = await startTemporal({ dir: join(makeStateFolder(), 'temporal'), uiPort, log });
    onStop(() => service.stop());
    log(`${service.address}, its console at http://127.0.0.1:${uiPort}`);
    return service;
  });
  return {
    database,
    temporal: { TEMPORAL_ADDRESS: temporal.address, TEMPORAL_NAMESPACE: temporal.namespace, TEMPORAL_CONFIG_FILE: emptyProfile() },
    ownTemporal: true,
    console: `http://127.0.0.1:${temporal.uiPort ?? 0}`,
  };
}

/** The environment without the user's own settings for a Temporal that is not the tour's. */
export function withoutTemporal(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !FOREIGN_SETTINGS.test(name)));
}

/** A profile that says nothing, so that the user's own is not read. */
function emptyProfile(): string {
  const file = join(makeStateFolder(), 'temporal.toml');
  writeFileSync(file, '[profile.default]\n');
  return file;
}

async function createDatabase(adminUrl: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
    if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}
