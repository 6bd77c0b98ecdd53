import { randomBytes } from 'node:crypto';
import { sql, type Kysely, type Transaction } from 'kysely';
import type { Actor } from '../../domain/requests/actor.ts';
import {
  KEY_BYTES,
  NONCE_BYTES,
  openContent,
  sealContent,
  VaultRefused,
  type KeyProvider,
  type VaultContent,
} from '../../domain/requests/vault.ts';
import { cutOff } from '../../domain/time.ts';
import { translating } from '../errors.ts';
import { currentManifest } from '../runs.ts';
import { inTransaction, type Store } from '../store.ts';

const DURABLE = { settings: { synchronous_commit: 'on' } } as const;

/** What stands in the row of a request. Says nothing without the master key. */
export interface SealedIdentities {
  readonly requestId: string;
  readonly keyId: string;
  readonly wrappedKey: Buffer;
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
}

/** Encrypts under a data key that nothing else has used or will use. Asks the key provider, so never call it inside a transaction. */
export async function encryptIdentities(keys: KeyProvider, requestId: string, content: VaultContent): Promise<SealedIdentities> {
  const dataKey = randomBytes(KEY_BYTES);
  try {
    const nonce = randomBytes(NONCE_BYTES);
    const ciphertext = sealContent(content, requestId, dataKey, nonce);
    return { requestId, keyId: keys.keyId, wrappedKey: await keys.wrap(dataKey, requestId), nonce, ciphertext };
  } finally {
    dataKey.fill(0);
  }
}

/**
 * Puts them into the vault, in the transaction that opens the request or later; what stood there for the request is replaced. Throws
 * `VaultRefused` when the request is closed or not there.
 */
export async function storeIdentities(trx: Kysely<unknown>, sealed: SealedIdentities): Promise<void> {
  await storeManyIdentities(trx, [sealed]);
}

/** The same for many, one of each request, in two statements; throws for the first that is closed or not there, and then keeps none. */
export async function storeManyIdentities(trx: Kysely<unknown>, sealed: readonly SealedIdentities[]): Promise<void> {
  const ids = sealed.map(({ requestId }) => requestId);
  // Locked, so that a close or a destruction comes before or after.
  const { rows } = await sql<{ id: string; closed: boolean }>`
    select request_id as id, closed_at is not null as closed from probity.request where request_id = any (${ids}::text[])
    order by request_id for no key update`.execute(trx);
  const closed = new Map(rows.map((row) => [row.id, row.closed]));
  for (const id of ids) {
    if (!closed.has(id)) throw absent(id);
    if (closed.get(id) === true) throw new VaultRefused('closed', `${id} is closed: nothing is added to what it knows of people`);
  }
  const bytes = (of: 'wrappedKey' | 'nonce' | 'ciphertext') => sql`${sealed.map((it) => it[of])}::bytea[]`;
  await sql`
    insert into probity.request_vault as v (request_id, key_id, wrapped_key, nonce, ciphertext)
    select it.id, it.key_id, it.wrapped_key, it.nonce, it.ciphertext
    from unnest(${ids}::text[], ${sealed.map(({ keyId }) => keyId)}::text[], ${bytes('wrappedKey')}, ${bytes('nonce')}, ${bytes('ciphertext')})
      it (id, key_id, wrapped_key, nonce, ciphertext)
    order by it.id
    on conflict (request_id) do update set key_id = excluded.key_id, wrapped_key = excluded.wrapped_key, nonce = excluded.nonce,
      ciphertext = excluded.ciphertext, sealed_at = excluded.sealed_at, destroyed_at = null`.execute(trx);
}

/**
 * Whom a request is about. That somebody looked has committed before anything is decrypted, also when it then does not open. Throws
 * `VaultRefused`: never sealed, destroyed, altered, or no key for it.
 */
export async function openIdentities(home: Store, keys: KeyProvider, requestId: string, by: Actor, why: string): Promise<VaultContent> {
  const { keyId, wrappedKey, nonce, ciphertext } = await inTransaction(home, DURABLE, async (trx) => {
    const { rows } = await sql<VaultRow>`
      select key_id as "keyId", wrapped_key as "wrappedKey", nonce, ciphertext from probity.request_vault
      where request_id = ${requestId} for share`.execute(trx);
    const [row] = rows;
    if (row === undefined) throw absent(requestId);
    if (!isSealed(row)) throw destroyed(requestId);
    await addLooks(trx, [requestId], by, why);
    return row;
  });
  return opened(keys, { requestId, keyId, wrappedKey, nonce, ciphertext });
}

/**
 * The same for many at once, in one transaction; requests of which the vault holds nothing, or nothing any more, are left out. Whoever opens
 * one that was altered opens none.
 */
export async function openManyIdentities(
  home: Store,
  keys: KeyProvider,
  requests: readonly string[],
  by: Actor,
  why: string,
): Promise<ReadonlyMap<string, VaultContent>> {
  const sealed = await inTransaction(home, DURABLE, async (trx) => {
    const { rows } = await sql<SealedIdentities>`
      select request_id as "requestId", key_id as "keyId", wrapped_key as "wrappedKey", nonce, ciphertext from probity.request_vault
      where request_id = any (${requests}::text[]) and destroyed_at is null order by request_id for share`.execute(trx);
    await addLooks(
      trx,
      rows.map(({ requestId }) => requestId),
      by,
      why,
    );
    return rows;
  });
  const contents = new Map<string, VaultContent>();
  for (const one of sealed) contents.set(one.requestId, await opened(keys, one));
  return contents;
}

async function opened(keys: KeyProvider, { requestId, keyId, wrappedKey, nonce, ciphertext }: SealedIdentities): Promise<VaultContent> {
  const dataKey = await keys.unwrap(wrappedKey, keyId, requestId);
  try {
    return openContent(ciphertext, requestId, dataKey, nonce);
  } finally {
    dataKey.fill(0);
  }
}

/** The names of the master keys that some requests are sealed under. */
export async function sealedUnder(home: Kysely<unknown>, requests: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ keyId: string }>`
    select distinct key_id as "keyId" from probity.request_vault
    where request_id = any (${requests}::text[]) and destroyed_at is null order by 1`.execute(home);
  return rows.map(({ keyId }) => keyId);
}

/** Writes down who is about to see whom requests are about. Committed, before anything is shown. */
export async function recordLooks(home: Store, requests: readonly string[], by: Actor, why: string): Promise<void> {
  await inTransaction(home, DURABLE, (trx) => addLooks(trx, requests, by, why));
}

async function addLooks(trx: Transaction<unknown>, requests: readonly string[], by: Actor, why: string): Promise<void> {
  if (requests.length === 0) return;
  await sql`
    with look as (
      insert into probity.vault_look (request_id, actor, roles)
      select it.request_id, ${by.name}, ${[...by.roles]}::text[] from unnest(${requests}::text[]) with ordinality it (request_id, n) order by it.n
      returning look_id
    )
    insert into probity.vault_look_note (look_id, why) select look_id, ${why} from look order by look_id`.execute(trx);
}

export interface VaultLook {
  readonly request: string;
  readonly actor: string;
  readonly roles: readonly string[];
  /** Null: its row was deleted. */
  readonly why: string | null;
  readonly at: Date;
}

/** Who has looked at whom a request is about, oldest first. */
export async function readLooks(home: Kysely<unknown>, requestId: string): Promise<VaultLook[]> {
  const { rows } = await sql<VaultLook>`
    select l.request_id as request, l.actor, l.roles, n.why, l.at
    from probity.vault_look l left join probity.vault_look_note n on n.look_id = l.look_id
    where l.request_id = ${requestId} order by l.look_id`.execute(home);
  return rows;
}

/**
 * Destroys what the vault knows of people whose requests closed longer ago than `own.complaint_window` of the manifest in force, at most
 * `limit` of them; returns how many. In mode observe too: it is our own promise, and touches no row of the company's. Safe to repeat.
 */
export async function destroyExpired(home: Store, now: Date, limit: number): Promise<number> {
  const version = await translating(home, () => currentManifest(home.db));
  const window = version?.manifest.own['complaint_window'];
  if (version === null || window === undefined) return 0;
  const closedBefore = cutOff(now, window, version.manifest.timezone);
  return inTransaction(home, DURABLE, async (trx) => {
    const { rows } = await sql`
      update probity.request_vault v set wrapped_key = null, nonce = null, ciphertext = null, destroyed_at = ${now}
      where v.request_id in (
        select it.request_id from probity.request_vault it join probity.request r on r.request_id = it.request_id
        where it.destroyed_at is null and r.closed_at < ${closedBefore}
        order by r.closed_at, it.request_id limit ${limit} for update of it skip locked)
      returning v.request_id`.execute(trx);
    return rows.length;
  });
}

interface VaultRow {
  readonly keyId: string;
  readonly wrappedKey: Buffer | null;
  readonly nonce: Buffer | null;
  readonly ciphertext: Buffer | null;
}

function isSealed(row: VaultRow): row is { [K in keyof VaultRow]: NonNullable<VaultRow[K]> } {
  return row.wrappedKey !== null && row.nonce !== null && row.ciphertext !== null;
}

function absent(requestId: string): VaultRefused {
  return new VaultRefused('absent', `The vault holds nothing about ${requestId}`);
}

function destroyed(requestId: string): VaultRefused {
  return new VaultRefused('destroyed', `What ${requestId} knew of people has been destroyed, as own.complaint_window declares`);
}
