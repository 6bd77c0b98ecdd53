import { sql, type Kysely, type Transaction } from 'kysely';
import { ADMIN, sameHash, type Actor, type ShownToken } from '../../domain/requests/actor.ts';
import { inTransaction, type Store } from '../store.ts';

/** Whether there is an admin decides whether a token is needed: one change at a time. */
const ACTORS_LOCK = sql`hashtextextended('probity.actors', 0)`;

export interface ListedActor {
  readonly name: string;
  readonly roles: readonly string[];
  readonly expiresAt: Date;
  readonly revokedAt: Date | null;
  readonly addedAt: Date;
  readonly addedBy: string;
}

/** What a token turned out to be. Only whoever holds the token learns more than `unknown`. */
export type ShownActor =
  | { readonly kind: 'actor'; readonly actor: Actor }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'revoked' | 'expired'; readonly name: string; readonly at: Date };

/** Who holds a token, by the store's clock. */
export async function findActor(db: Kysely<unknown>, token: ShownToken): Promise<ShownActor> {
  const { rows } = await sql<{ name: string; roles: string[]; hash: Buffer; expiresAt: Date; revokedAt: Date | null; expired: boolean }>`
    select actor as name, roles, token_hash as hash, expires_at as "expiresAt", revoked_at as "revokedAt", expires_at <= clock_timestamp() as expired
    from probity.actor where token_id = ${token.id}`.execute(db);
  const [row] = rows;
  if (row === undefined || !sameHash(row.hash, token.hash)) return { kind: 'unknown' };
  if (row.revokedAt !== null) return { kind: 'revoked', name: row.name, at: row.revokedAt };
  if (row.expired) return { kind: 'expired', name: row.name, at: row.expiresAt };
  return { kind: 'actor', actor: { name: row.name, roles: row.roles } };
}

/** Runs a change of actors alone among such changes. */
export function changingActors<T>(home: Store, change: (trx: Transaction<unknown>) => Promise<T>): Promise<T> {
  return inTransaction(home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    await sql`select pg_advisory_xact_lock(${ACTORS_LOCK})`.execute(trx);
    return change(trx);
  });
}

/** Admins whose token works. */
export async function workingAdmins(db: Kysely<unknown>): Promise<string[]> {
  const { rows } = await sql<{ actor: string }>`
    select actor from probity.actor where ${ADMIN} = any (roles) and revoked_at is null and expires_at > clock_timestamp() order by actor`.execute(
    db,
  );
  return rows.map(({ actor }) => actor);
}

/** Whether the name has been given, to somebody who is revoked too. */
export async function readActor(db: Kysely<unknown>, name: string): Promise<(Actor & { readonly revoked: boolean }) | null> {
  const { rows } = await sql<{ name: string; roles: string[]; revoked: boolean }>`
    select actor as name, roles, revoked_at is not null as revoked from probity.actor where actor = ${name}`.execute(db);
  return rows[0] ?? null;
}

export async function insertActor(trx: Kysely<unknown>, actor: Actor, token: ShownToken, expiresAt: Date, by: string): Promise<void> {
  await sql`
    insert into probity.actor (actor, roles, token_id, token_hash, expires_at)
    values (${actor.name}, ${[...actor.roles]}, ${token.id}, ${token.hash}, ${expiresAt})`.execute(trx);
  await recordChange(trx, actor.name, 'added', by);
}

/** The old token stops working with the commit. */
export async function replaceToken(trx: Kysely<unknown>, name: string, token: ShownToken, expiresAt: Date, by: string): Promise<void> {
  await sql`
    update probity.actor set token_id = ${token.id}, token_hash = ${token.hash}, expires_at = ${expiresAt} where actor = ${name}`.execute(
    trx,
  );
  await recordChange(trx, name, 'rotated', by);
}

export async function revokeActor(trx: Kysely<unknown>, name: string, by: string): Promise<void> {
  await sql`update probity.actor set revoked_at = clock_timestamp() where actor = ${name}`.execute(trx);
  await recordChange(trx, name, 'revoked', by);
}

async function recordChange(trx: Kysely<unknown>, name: string, change: 'added' | 'rotated' | 'revoked', by: string): Promise<void> {
  await sql`
    insert into probity.actor_change (actor, change, roles, expires_at, by)
    select actor, ${change}, roles, expires_at, ${by} from probity.actor where actor = ${name}`.execute(trx);
}

/** By name. */
export async function readActors(db: Kysely<unknown>): Promise<ListedActor[]> {
  const { rows } = await sql<ListedActor>`
    select a.actor as name, a.roles, a.expires_at as "expiresAt", a.revoked_at as "revokedAt", added.at as "addedAt", added.by as "addedBy"
    from probity.actor a
    cross join lateral (select c.at, c.by from probity.actor_change c where c.actor = a.actor order by c.change_id limit 1) added
    order by a.actor`.execute(db);
  return rows;
}
