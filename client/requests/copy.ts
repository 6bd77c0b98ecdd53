import { readCatalog } from '../../database/catalog.ts';
import { clockOf as storeClock } from '../../database/clock.ts';
import { copyStore, type CopiedRow, type CopiedTable, type CopySink } from '../../database/requests/copy.ts';
import { copyPerson, requestsOfPerson } from '../../database/requests/copy-person.ts';
import type { RequestRow } from '../../database/requests/model.ts';
import { regimesOfPeople, type Person } from '../../database/requests/people.ts';
import { readRequests } from '../../database/requests/read.ts';
import { openManyIdentities, recordLooks } from '../../database/requests/vault.ts';
import type { Catalog } from '../../domain/catalog.ts';
import { processingRecord, type ProcessingRecord } from '../../domain/processing/record.ts';
import { OFFICER, type Actor } from '../../domain/requests/actor.ts';
import { EVERYTHING, REDACTED, type CopyKind } from '../../domain/requests/copy.ts';
import {
  copiedRecipients,
  copyRights,
  copyTableHead,
  PROVISIONS,
  type CopyHead,
  type CopyRest,
  type CopyTableTail,
} from '../../domain/requests/copy-document.ts';
import { copyPage, ROWS_ON_PAGE, type PageTable } from '../../domain/requests/copy-page.ts';
import { planErasure } from '../../domain/requests/erasure.ts';
import type { PersonKind } from '../../domain/requests/person-kinds.ts';
import type { StoreErasure } from '../../domain/requests/model.ts';
import { VaultRefused, type VaultContent } from '../../domain/requests/vault.ts';
import { keyParts } from '../../domain/subject-key.ts';
import type { Manifest } from '../../manifest/model.ts';
import { authenticate } from '../actors.ts';
import { consentHistory, showConsents } from '../consent/show.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';
import { act, leadsTo, noSuchRequest } from './change.ts';
import { clockOf } from './clock.ts';
import { CopyFiles, type CopyFile } from './copy-files.ts';
import { inForceHere } from './in-force.ts';
import { masterKeys } from './seal.ts';

export interface CopyOptions {
  /** Made if it is not there. */
  readonly folder: string;
  /** Without the page for people. */
  readonly jsonOnly?: boolean;
  /** Replace files of an earlier copy. */
  readonly force?: boolean;
  /** Why somebody looks; no personal data. */
  readonly why?: string | null;
  /** Called before each store is read. */
  readonly progress?: (store: string) => void;
}

/** What a copy holds, by table; says nothing of anybody. */
export interface CopySummary {
  readonly request: string;
  readonly kind: CopyKind;
  /** Names, without the folder. */
  readonly files: readonly string[];
  /** Of the JSON. */
  readonly sha256: string;
  readonly tables: readonly CopiedCount[];
}

export interface CopiedCount {
  /** `store.schema.table` */
  readonly table: string;
  readonly rows: number;
  /** Rows of nobody or of others in which a document names the person. */
  readonly naming: number;
  /** Values that are, or may be, another person's. */
  readonly withheld: number;
  /** Columns that a copy for portability does not hold. */
  readonly leftOut: number;
}

/** As `vault_look` takes it. */
const LONGEST_WHY = 300;
/** An event's code has at most 40 characters; this many digits of a SHA-256 nobody finds twice. */
const HASH_DIGITS = 32;

/**
 * Writes what is held about the person of a request for access or portability into files, in the name of whoever the token belongs to. The look
 * is recorded and committed before anything is read; files appear only whole. Throws `Refused` for a request that is not verified, or not of
 * these kinds, for an actor who may not look, and where a table keeps the copy from being whole.
 */
export async function copyRequest(project: Project, id: string, options: CopyOptions, token: string): Promise<CopySummary> {
  const actor = await authenticate(project, token);
  if (!actor.roles.includes(OFFICER))
    throw new Refused(`${actor.name} may not look at whom a request is about: that needs the role ${OFFICER}`);
  const row = await copyable(project, id);
  const why = (options.why ?? `the copy for ${row.kind}`).trim();
  if (why === '' || why.length > LONGEST_WHY) throw new Refused(`A look needs its reason, in at most ${LONGEST_WHY} characters`);
  const making = await prepare(project, row);
  const names = [`${id}.json`, ...(options.jsonOnly === true ? [] : [`${id}.html`])];
  const files = await CopyFiles.at(options.folder, names, options.force === true);
  try {
    const summary = await write(making, await look(project, id, actor, why), files, options);
    await files.place();
    await act(project, id, 'copy', { actor: actor.name }, () => ({}), { code: `sha256:${summary.sha256.slice(0, HASH_DIGITS)}` });
    return summary;
  } catch (error) {
    await files.discard();
    throw error;
  }
}

/** The look has committed when this returns; what the vault knows of the request, where it can be opened. */
async function look({ home, env }: Project, id: string, actor: Actor, why: string): Promise<ReadonlyMap<string, VaultContent>> {
  const keys = masterKeys(env);
  const opened = keys === null ? new Map<string, VaultContent>() : await openManyIdentities(home, keys, [id], actor, why).catch(refused);
  if (!opened.has(id)) await recordLooks(home, [id], actor, why);
  return opened;
}

function refused(error: unknown): never {
  throw error instanceof VaultRefused ? new Refused(error.message) : error;
}

async function copyable(project: Project, id: string): Promise<RequestRow & { readonly kind: CopyKind }> {
  await requireHome(project);
  const [row] = await readRequests(project.home, { id, limit: 1 });
  if (row === undefined) throw noSuchRequest(id);
  leadsTo(row, 'copy');
  return row as RequestRow & { readonly kind: CopyKind };
}

interface Making {
  readonly project: Project;
  readonly row: RequestRow & { readonly kind: CopyKind };
  readonly manifest: Manifest;
  readonly record: ProcessingRecord;
  readonly catalogs: Readonly<Record<string, Catalog>>;
  readonly at: Date;
}

/** What is known before anybody looks: the manifest in force and the stores as they are. */
async function prepare(project: Project, row: Making['row']): Promise<Making> {
  const { home, stores } = project;
  const { manifest, hash } = await inForceHere(project);
  const catalogs: Record<string, Catalog> = {};
  for (const name of Object.keys(manifest.stores)) catalogs[name] = await readCatalog(stores.get(name)!);
  const at = await storeClock(home);
  return { project, row, manifest, record: processingRecord({ manifest, hash, catalogs }, at), catalogs, at };
}

async function write(
  making: Making,
  opened: ReadonlyMap<string, VaultContent>,
  files: CopyFiles,
  options: CopyOptions,
): Promise<CopySummary> {
  const { project, row, manifest, record, catalogs, at } = making;
  const person = await copyPerson(project.home, project.stores, manifest, row.id, opened);
  if ('doubt' in person) throw new Refused(`${row.id}: ${person.doubt}`);
  const { kinds, keys, ledger } = person;
  const erasures = erasuresOf(making, kinds.map(({ subject }) => subject)); // prettier-ignore
  const [regime = null] = ledger === null ? [] : await regimesOfPeople(project.home, [ledger]);
  const head: CopyHead = {
    format: 'probity/copy/1',
    request: row.id,
    kind: row.kind,
    provision: PROVISIONS[row.kind],
    organisation: manifest.organisation,
    controller: manifest.controller,
    manifest: record.manifest,
    madeAt: at.toISOString(),
    person: kinds.map((it) => named(manifest, it)),
    redacted: REDACTED,
  };
  const json = await files.create(`${row.id}.json`);
  const writer = new CopyWriter(making, json, files);
  await writer.head(head);
  const searched: { store: string; at: string }[] = [];
  for (const name of Object.keys(manifest.stores).sort()) {
    const own = erasures.filter(({ store, tables }) => store === name && tables.length > 0);
    if (own.length === 0) continue;
    options.progress?.(name);
    const { kind } = row;
    const copy = { store: project.stores.get(name)!, manifest, catalog: catalogs[name]!, erasures: own, kind, regime, keys };
    searched.push({ store: name, at: (await copyStore(copy, writer.sink(name))).toISOString() });
  }
  const rest = await restOf(making, ledger, writer.recipients, searched);
  await writer.rest(rest);
  const sha256 = await json.finish();
  if (options.jsonOnly !== true) {
    const html = await files.create(`${row.id}.html`);
    await html.write(copyPage(head, writer.pages, rest, `${row.id}.json`));
    await html.finish();
  }
  const written = [`${row.id}.json`, ...(options.jsonOnly === true ? [] : [`${row.id}.html`]), ...writer.csvFiles];
  return { request: row.id, kind: row.kind, files: written, sha256, tables: writer.counts };
}

/** Whose rows are whose, as an erasure of everything sees it. What it could not reach is missing from a copy, too. */
function erasuresOf({ row, manifest, catalogs }: Making, subjects: readonly string[]): StoreErasure[] {
  const erasures = Object.values(catalogs).flatMap((catalog) =>
    subjects.map((subject) => planErasure(subject, EVERYTHING, catalog, manifest)),
  );
  const problems = new Set(
    erasures.flatMap((it) =>
      it.problems.filter(({ code }) => code === 'not_reached' || code === 'unclassified').map(({ message }) => message),
    ),
  );
  if (problems.size > 0)
    throw new Refused([`The copy of ${row.id} would not be whole:`, ...[...problems].map((it) => `  ${it}`)].join('\n'));
  return erasures;
}

function named(manifest: Manifest, { subject, keys, identities }: PersonKind): CopyHead['person'][number] {
  const values: Record<string, string[]> = {};
  for (const { identity, value } of identities) (values[identity] ??= []).push(value);
  return { subject, keys: keys.map((key) => keyParts(key, manifest.subjects[subject]!.key.length)), identities: values };
}

async function restOf(
  { project, row, manifest, record, at }: Making,
  ledger: Person | null,
  received: ReadonlySet<string>,
  searched: CopyRest['searched'],
): Promise<CopyRest> {
  if (row.kind === 'portability') return { searched, consent: null, requests: null, recipients: null, rights: null };
  const resolved = ledger === null ? null : { ...ledger, found: true };
  const permissions = resolved === null ? [] : (await showConsents(project, resolved)).permissions;
  const history = resolved === null ? [] : await consentHistory(project, resolved);
  const requests = await requestsOfPerson(project.home, row.id);
  return {
    searched,
    consent: {
      permissions: permissions.map(({ purpose, channel, basis, allowed, reason }) => ({ purpose, channel, basis, allowed, reason })),
      history: history.map((it) => ({
        purpose: it.purpose,
        channel: it.channel,
        decision: it.decision,
        captured: it.capturedDate.toISOString(),
        expires: it.expiresDate === null || !Number.isFinite(it.expiresDate.getTime()) ? null : it.expiresDate.toISOString(),
        touchpoint: it.touchpoint,
        notice: it.notice,
        language: it.language,
        givenBy: it.givenBy,
      })),
    },
    requests: requests.map((it) => ({ ...it, received: it.received.toISOString() })),
    recipients: copiedRecipients(received, record, manifest),
    rights: copyRights(clockOf(manifest, row, at).law, manifest.controller),
  };
}

/** Writes the document as it comes: of a table only the first rows stay in memory, for the page. */
class CopyWriter {
  readonly #making: Making;
  readonly #json: CopyFile;
  readonly #files: CopyFiles;
  #tables = 0;
  #rows = 0;
  #csv: CopyFile | null = null;
  readonly recipients = new Set<string>();
  readonly pages: PageTable[] = [];
  readonly counts: CopiedCount[] = [];
  readonly csvFiles: string[] = [];

  constructor(making: Making, json: CopyFile, files: CopyFiles) {
    this.#making = making;
    this.#json = json;
    this.#files = files;
  }

  async head(head: CopyHead): Promise<void> {
    await this.#json.write(`${JSON.stringify(head, null, 2).slice(0, -2)},\n  "tables": [`);
  }

  sink(store: string): CopySink {
    let shown: (string | null)[][] = [];
    return {
      begin: async (table) => {
        shown = [];
        this.#rows = 0;
        const head = this.#headOf(store, table);
        for (const it of head.recipients) this.recipients.add(it);
        await this.#json.write(`${this.#tables++ === 0 ? '' : ','}\n${JSON.stringify(head).slice(0, -1)},"rows":[`);
        if (this.#making.row.kind === 'portability') await this.#openCsv(store, table);
      },
      rows: async (rows, table) => {
        for (const row of rows.slice(0, Math.max(0, ROWS_ON_PAGE - shown.length))) shown.push([...row]);
        await this.#write(rows, table);
      },
      end: async (table, withheld) => {
        const tail: CopyTableTail = { count: table.theirs, naming: table.naming, withheld };
        await this.#json.write(`\n],${JSON.stringify(tail).slice(1)}`);
        await this.#csv?.finish();
        this.#csv = null;
        this.pages.push({ head: this.#headOf(store, table), tail, rows: shown });
        this.counts.push({
          table: `${store}.${table.table}`,
          rows: table.theirs,
          naming: table.naming,
          withheld: Object.values(withheld).reduce((sum, it) => sum + it, 0),
          leftOut: table.columns.filter(({ leftOut }) => leftOut !== null).length,
        });
      },
    };
  }

  async rest(rest: CopyRest): Promise<void> {
    await this.#json.write(`\n  ],\n${JSON.stringify(rest, null, 2).slice(2)}\n`);
  }

  #headOf(store: string, table: CopiedTable) {
    const { record, manifest } = this.#making;
    return copyTableHead({ ...table, id: `${store}.${table.table}` }, record, manifest);
  }

  async #write(rows: readonly CopiedRow[], table: CopiedTable): Promise<void> {
    const names = table.columns.flatMap((it) => (it.leftOut === null ? [JSON.stringify(it.name)] : []));
    const redacted = JSON.stringify(REDACTED);
    for (const row of rows) {
      const fields = row.map((value, at) => `${names[at]}:${value ?? redacted}`);
      await this.#json.write(`${this.#rows++ === 0 ? '' : ','}\n{${fields.join(',')}}`);
      await this.#csv?.write(csvLine(row.map(plain)));
    }
  }

  async #openCsv(store: string, table: CopiedTable): Promise<void> {
    const { title } = this.#headOf(store, table);
    const plain = `${this.#making.row.id}.${title.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '-')}`;
    const again = this.csvFiles.filter((it) => it === `${plain}.csv` || it.startsWith(`${plain}.`)).length;
    const name = again === 0 ? `${plain}.csv` : `${plain}.${again + 1}.csv`;
    this.#csv = await this.#files.create(name);
    this.csvFiles.push(name);
    await this.#csv.write(csvLine(table.columns.flatMap((it) => (it.leftOut === null ? [it.name] : []))));
  }
}

/** Text without its quotes, everything else as JSON; nothing for null. */
function plain(json: string | null): string {
  if (json === null) return REDACTED;
  if (json === 'null') return '';
  return json.startsWith('"') ? (JSON.parse(json) as string) : json;
}

/** RFC 4180. */
function csvLine(values: readonly string[]): string {
  return `${values.map((it) => (/[",\r\n]/.test(it) ? `"${it.replaceAll('"', '""')}"` : it)).join(',')}\r\n`;
}
