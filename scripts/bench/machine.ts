import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { benchSettings, type BenchServices } from './server.ts';
import { session } from './dataset.ts';

export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  readonly postgres: string;
  readonly temporal: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** What the numbers were measured on. */
export async function describeMachine(services: Pick<BenchServices, 'adminUrl'>): Promise<Machine> {
  const { rows } = await session(services.adminUrl, 'bench set-up', (client) =>
    client.query<{ v: string }>(`select current_setting('server_version') as v`),
  );
  const sdk = JSON.parse(readFileSync(new URL('../../node_modules/@temporalio/worker/package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
    system: `${type()} ${release()}`,
    node: process.version,
    postgres: rows[0]?.v ?? 'unknown',
    temporal: `SDK ${sdk.version}, development server on SQLite`,
    settings: benchSettings,
  };
}
