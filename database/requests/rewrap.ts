import { sql } from 'kysely';
import { VaultRefused, type KeyProvider } from '../../domain/requests/vault.ts';
import { inTransaction, type Store } from '../store.ts';

/** Rows of one reading; a key service is asked twice for each. */
const AT_ONCE = 100;

export interface Rewrapped {
  readonly rewrapped: number;
  /** Requests that stay wrapped by another key, by that key's id: its key is missing, or the row was altered. */
  readonly left: Readonly<Record<string, number>>;
}

/**
 * Wraps every data key by the provider's present key, so that older keys can go. The identities themselves stay encrypted throughout. Safe to
 * stop, to repeat, and beside whatever else writes to the vault.
 */
export async function rewrapKeys(home: Store, keys: KeyProvider): Promise<Rewrapped> {
  const left: Record<string, number> = {};
  let rewrapped = 0;
  for (let after = ''; ;) {
    const { rows } = await sql<{ requestId: string; keyId: string; wrappedKey: Buffer }>`
      select request_id as "requestId", key_id as "keyId", wrapped_key as "wrappedKey" from probity.request_vault
      where destroyed_at is null and key_id <> ${keys.keyId} and request_id > ${after} order by request_id limit ${AT_ONCE}`.execute(
      home.db,
    );
    for (const row of rows) {
      if (await rewrap(home, keys, row)) rewrapped += 1;
      else left[row.keyId] = (left[row.keyId] ?? 0) + 1;
    }
    const last = rows.at(-1);
    if (last === undefined) return { rewrapped, left };
    after = last.requestId;
  }
}

async function rewrap(
  home: Store,
  keys: KeyProvider,
  row: { readonly requestId: string; readonly keyId: string; readonly wrappedKey: Buffer },
): Promise<boolean> {
  const { requestId, keyId, wrappedKey } = row;
  let dataKey: Buffer;
  try {
    dataKey = await keys.unwrap(wrappedKey, keyId, requestId);
  } catch (error) {
    if (error instanceof VaultRefused) return false;
    throw error;
  }
  const wrapped = await keys.wrap(dataKey, requestId).finally(() => dataKey.fill(0));
  await inTransaction(home, {}, (trx) =>
    // Sealed anew or destroyed meanwhile: then there is nothing left to do.
    sql`update probity.request_vault set key_id = ${keys.keyId}, wrapped_key = ${wrapped}
      where request_id = ${requestId} and wrapped_key = ${wrappedKey}`.execute(trx),
  );
  return true;
}
