import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { runProbity } from '../../cli/run.ts';
import { addActor } from '../../client/actors.ts';
import { openProject, type Project } from '../../client/project.ts';
import { migrate } from '../../database/migrate.ts';
import { applyManifest } from '../../database/runs.ts';
import { parseManifestValue } from '../../manifest/load.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';
import { freshDatabase } from '../support/databases.ts';
import { temporaryFolder } from '../support/folders.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A home store with requests, a master key and the service's signing key. */
export interface DecideWorld {
  readonly project: Project;
  readonly folder: string;
  readonly file: string;
  readonly env: Record<string, string>;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  readonly query: <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<T[]>;
  /** The same project with other settings, such as another key. */
  readonly with: (env: Record<string, string>) => Project;
  /** Puts the manifest, with changes, in force. */
  readonly apply: (changes: Partial<ManifestInput>) => Promise<void>;
  /** An open erasure; its number. */
  readonly request: (openedBy: string) => Promise<string>;
  readonly closeRequest: (id: string, closedAt: Date) => Promise<void>;
  /** Adds an actor as `root` does; its token. */
  readonly actor: (name: string, ...roles: string[]) => Promise<string>;
  readonly root: string;
  readonly probity: (args: readonly string[], env?: Record<string, string>, secret?: string) => Promise<Ran>;
  readonly close: () => Promise<void>;
}

export const masterKey = (): string => randomBytes(32).toString('base64');

export async function decideWorld(): Promise<DecideWorld> {
  const database = await freshDatabase();
  const pool = new pg.Pool({ connectionString: database.url, max: 4 });
  pool.on('error', () => undefined);
  await pool.query('create table customer (customer_id bigint primary key, email text)');
  const folder = temporaryFolder('decide');
  const file = join(folder, 'probity.json');
  const value: ManifestInput = {
    organisation: 'Decide',
    timezone: 'Europe/Berlin',
    stores: { shop: { url: '${SHOP_URL}' } },
    purposes: { use: { basis: 'contract', while: 'a customer', description: 'Use' } },
    subjects: { customer: { table: 'shop.public.customer', key: 'customer_id', identities: { email: 'email' } } },
    tables: { 'shop.public.customer': { purposes: ['use'] } },
    recipients: { agency: { role: 'controller', notify: { task: 'dpo' } } },
  };
  writeFileSync(file, JSON.stringify(value));
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const env = {
    SHOP_URL: database.url,
    PROBITY_MANIFEST: file,
    PROBITY_MASTER_KEY: masterKey(),
    PROBITY_SIGNING_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
  const project = await openProject(file, env);
  await migrate(project.home, true);
  const apply = async (changes: Partial<ManifestInput>): Promise<void> => {
    const { manifest, hash, problems } = parseManifestValue({ ...value, ...changes });
    if (manifest === null || hash === null) throw new Error(JSON.stringify(problems));
    await applyManifest(project.home.db, manifest, hash, 'tester');
  };
  await apply({});
  const query = async <T extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<T[]> =>
    (await pool.query<T>(text, values)).rows;
  const { token: root } = await addActor(project, { name: 'root', roles: ['admin'] }, { token: null, name: 'tester' });
  return {
    project,
    folder,
    file,
    env,
    publicKey,
    privateKey,
    query,
    with: (changes) => ({ ...project, env: { ...env, ...changes } }),
    apply,
    request: async (openedBy) => {
      const [row] = await query<{ id: string }>(
        `insert into probity.request (request_id, kind, ref, received_at, due_at, state)
         values ('R-' || nextval('probity.request_number'), 'erasure', gen_random_uuid(), now(), now() + interval '1 month', 'open')
         returning request_id as id`,
      );
      await query(`insert into probity.request_event (request_id, verb, state, actor, at) values ($1, 'open', 'open', $2, now())`, [
        row!.id,
        openedBy,
      ]);
      return row!.id;
    },
    closeRequest: async (id, closedAt) =>
      void (await query(`update probity.request set state = 'closed', closed_at = $2 where request_id = $1`, [id, closedAt])),
    actor: async (name, ...roles) => (await addActor(project, { name, roles }, { token: root, name: 'tester' })).token,
    root,
    probity: async (args, changes = {}, secret) => {
      const said = { out: '', err: '' };
      const code = await runProbity(args, {
        env: { ...env, ...changes },
        out: (text) => void (said.out += `${text}\n`),
        err: (text) => void (said.err += `${text}\n`),
        stream: process.stdout,
        terminal: false,
        colour: false,
        width: null,
        input: () => Promise.resolve(''),
        secret: secret === undefined ? null : () => Promise.resolve(secret),
      });
      return { code, ...said };
    },
    close: async () => {
      await project.close();
      await pool.end();
      await database.drop();
    },
  };
}
