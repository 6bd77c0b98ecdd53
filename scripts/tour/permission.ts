import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { EXIT } from '../../cli/exit.ts';
import { count } from '../../cli/numbers.ts';
import { textTable } from '../../cli/table.ts';
import { withClient } from '../sample/marker.ts';
import { TourFailed, type Story } from './story.ts';

/** What a tour shows of permission: an analyst's view of one purpose, before and after somebody withdraws. */
export interface PermissionScene {
  readonly purpose: string;
  /** The Postgres role that the manifest names as a reader of the purpose. */
  readonly reader: string;
  /** What the analyst looks at, through the views alone. */
  readonly view: string;
  readonly columns: readonly string[];
  readonly subject: string;
  /** The table behind the view, and its columns of the subject's key and of when a row was captured. */
  readonly table: string;
  readonly keyColumn: string;
  readonly capturedAt: string;
  /** Options of the report: of which months. */
  readonly months: readonly string[];
  /** Takes in what people have said. */
  readonly takeIn: (story: Story, env: NodeJS.ProcessEnv, url: string, folder: string) => Promise<void>;
}

const SHOWN_ROWS = 3;
/** People with the most rows; among them is one of the right age. */
const CANDIDATES = 50;

/** Consent taken in, views made, one withdrawal seen through an analyst's eyes, the report and the processing record. Returns the withdrawal's number. */
export async function permissionTour(
  scene: PermissionScene,
  story: Story,
  env: NodeJS.ProcessEnv,
  url: string,
  folder: string,
): Promise<string> {
  const { purpose } = scene;
  await story.step('Take in what people have said', () => scene.takeIn(story, env, url, folder));
  const analyst = await makeReader(url, scene.reader);
  await story.step(`Make the views: only what ${purpose} covers, of those who allow it`, () => story.probity(env, ['views', 'apply']));
  await story.step(`An analyst's eyes: ${scene.reader} sees for_${purpose} and nothing else`, async () => {
    await look(scene, story, analyst);
    const key = await whoeverIsSeen(scene, url);
    story.say('Somebody of them withdraws; who it is comes on standard input, never as an argument:');
    const withdrawal = ['consent', 'record', '--purpose', purpose, '--decision', 'withdrawn', '--touchpoint', 'preference_centre'];
    await story.probity(env, withdrawal, [EXIT.done], key);
    story.say('The same question, one statement later:');
    await look(scene, story, analyst);
  });
  const withdrawal = await newestRequest(url);
  await story.step('What the withdrawal set in motion', async () => {
    await story.probity(env, ['request', 'status', withdrawal]);
    await story.probity(env, ['request', 'list', '--limit', '5']);
    await story.probity(env, ['serving', 'status'], [EXIT.done, EXIT.findings]);
  });
  await story.step('Ask, grant, refuse, withdraw: the report', async () => {
    await story.probity(env, ['consent', 'report', ...scene.months, '--html', join(folder, 'consent-report.html')]);
    await story.probity(env, ['consent', 'verify']);
  });
  await story.step('The record of processing activities (GDPR, Art. 30)', () =>
    story.probity(env, ['processing-record', '--html', join(folder, 'processing-record.html')]),
  );
  return withdrawal;
}

/** The analyst's login, made on our own server with a password that lives as long as the tour. */
async function makeReader(url: string, role: string): Promise<string> {
  const password = randomBytes(18).toString('base64url');
  await withClient(url, async (client) => {
    const name = pg.escapeIdentifier(role);
    const { rowCount } = await client.query('select from pg_roles where rolname = $1', [role]);
    if (rowCount === 0) await client.query(`create role ${name} login`);
    await client.query(`alter role ${name} login password ${pg.escapeLiteral(password)}`);
  });
  const as = new URL(url);
  as.username = role;
  as.password = password;
  return as.href;
}

async function look({ purpose, view, columns }: PermissionScene, story: Story, analyst: string): Promise<void> {
  const table = `${pg.escapeIdentifier(`for_${purpose}`)}.${pg.escapeIdentifier(view)}`;
  const chosen = columns.map((column) => pg.escapeIdentifier(column)).join(', ');
  await withClient(analyst, async (client) => {
    const key = pg.escapeIdentifier(columns[0] ?? '');
    const { rows: totals } = await client.query<{ n: string; people: string }>(
      `select count(*) as n, count(distinct ${key}) as people from ${table}`,
    );
    story.say(`  select … from for_${purpose}.${view}: ${count(Number(totals[0]?.n))} rows of ${count(Number(totals[0]?.people))} people`);
    const { rows } = await client.query<Record<string, unknown>>(`select ${chosen} from ${table} order by 1, 2 limit ${SHOWN_ROWS}`);
    const body = rows.map((row) => columns.map((column) => shown(row[column])));
    story.say(
      indent(
        textTable(
          columns.map((title) => ({ title })),
          body,
          story.io.width,
        ),
      ),
    );
  });
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString().slice(0, 16).replace('T', ' ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}

/** The key of somebody whom the analyst sees: of those who allow the purpose now, whoever has the most rows captured since. */
async function whoeverIsSeen({ purpose, subject, table, keyColumn, capturedAt }: PermissionScene, url: string): Promise<string> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ key: string }>(
      `select it.key from (
         select s.key, count(*) as n from probity.permission_span s join ${pg.escapeIdentifier(table)} r
           on r.${pg.escapeIdentifier(keyColumn)}::text = s.key and r.${pg.escapeIdentifier(capturedAt)} >= s.from_at
         where s.purpose = $1 and s.subject = $2 and s.open and s.allows and s.until_at > now()
         group by s.key order by n desc, s.key limit ${CANDIDATES}) it
       where probity.permission($2, it.key, $1) order by it.n desc, it.key limit 1`,
      [purpose, subject],
    );
    const [first] = rows;
    if (first === undefined) throw new TourFailed(`Nobody allows ${purpose}`, EXIT.findings);
    return first.key;
  });
}

async function newestRequest(url: string): Promise<string> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      'select request_id as id from probity.request where record_id is not null order by record_id desc limit 1',
    );
    return rows[0]?.id ?? '';
  });
}
