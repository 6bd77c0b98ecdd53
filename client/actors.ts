import { randomBytes } from 'node:crypto';
import type { Transaction } from 'kysely';
import { clockOf } from '../database/clock.ts';
import { translating } from '../database/errors.ts';
import {
  changingActors,
  findActor,
  insertActor,
  readActor,
  readActors,
  replaceToken,
  revokeActor as revoke,
  workingAdmins,
  type ListedActor,
  type ShownActor,
} from '../database/requests/actors.ts';
import {
  ADMIN,
  APPROVER,
  isActorName,
  isRole,
  OFFICER,
  readToken,
  TOKEN_ID_BYTES,
  TOKEN_SECRET_BYTES,
  writeToken,
  type Actor,
} from '../domain/requests/actor.ts';
import type { Manifest } from '../manifest/model.ts';
import { nearest } from '../manifest/nearest.ts';
import { requireHome } from './migrate.ts';
import type { Project } from './project.ts';
import { Refused } from './refused.ts';

export type { Actor } from '../domain/requests/actor.ts';
export type { ListedActor } from '../database/requests/actors.ts';

/** A year: a token that nobody remembers ends by itself. */
export const DEFAULT_TOKEN_DAYS = 365;
const DAY_MS = 86_400_000;

/** An actor with the token, which nobody will see again. */
export interface IssuedToken {
  readonly actor: Actor;
  readonly token: string;
  readonly expiresAt: Date;
}

/** Who changes actors. */
export interface ActorChanger {
  /** An admin's token; null while no admin's token works yet. */
  readonly token: string | null;
  /** For the record, where there is no token. */
  readonly name: string;
}

/** Who holds a token. Throws `Refused` for one that is unknown, expired or revoked; the message never quotes it. */
export async function authenticate(project: Project, token: string): Promise<Actor> {
  await requireHome(project);
  return translating(project.home, () => actorOf(project.home.db, token));
}

/**
 * Adds somebody who may decide on requests. As long as no admin's token works, anybody who reaches the home store may add an admin; from then on
 * it takes an admin's token. Throws `Refused` for a name or role that cannot be, and a name that has been given before.
 */
export async function addActor(
  project: Project,
  added: { readonly name: string; readonly roles: readonly string[]; readonly days?: number },
  changer: ActorChanger,
): Promise<IssuedToken> {
  const { name } = added;
  const roles = [...new Set(added.roles)].sort();
  if (!isActorName(name)) throw new Refused('An actor’s name is up to 40 small letters, digits, dots, dashes and underscores');
  checkRoles(project.manifest, roles);
  const expiresAt = await endOf(project, added.days);
  return changingActors(project.home, async (trx) => {
    const by = await changerOf(trx, changer, null);
    if (by === null && !roles.includes(ADMIN)) throw new Refused(`Add an admin first, who then adds others: --role ${ADMIN}`);
    if ((await readActor(trx, name)) !== null) throw new Refused(`The name ${name} has been given, and is never given to anybody else`);
    const { token, shown } = newToken();
    await insertActor(trx, { name, roles }, shown, expiresAt, by ?? changer.name);
    return { actor: { name, roles }, token, expiresAt };
  });
}

/** Gives an actor a new token; the old one stops working. An admin may, and the actor with the old token. Throws `Refused`. */
export async function rotateActor(
  project: Project,
  rotated: { readonly name: string; readonly days?: number },
  changer: ActorChanger,
): Promise<IssuedToken> {
  const expiresAt = await endOf(project, rotated.days);
  return changingActors(project.home, async (trx) => {
    const actor = await present(trx, rotated.name);
    const by = await changerOf(trx, changer, actor.name);
    if (by === null && !actor.roles.includes(ADMIN)) throw new Refused(`No admin's token works: rotate an admin's first`);
    const { token, shown } = newToken();
    await replaceToken(trx, actor.name, shown, expiresAt, by ?? changer.name);
    return { actor: { name: actor.name, roles: actor.roles }, token, expiresAt };
  });
}

/** Ends an actor for good: the token stops working, and approvals of plans not yet carried out no longer count. Throws `Refused`. */
export async function revokeActor(project: Project, name: string, changer: ActorChanger): Promise<void> {
  await requireHome(project);
  await changingActors(project.home, async (trx) => {
    const actor = await present(trx, name);
    const by = await changerOf(trx, changer, null);
    const admins = await workingAdmins(trx);
    if (admins.length === 1 && admins[0] === name)
      throw new Refused(`${name} is the last admin: add another first, or give ${name} a new token with \`probity actor rotate ${name}\``);
    await revoke(trx, actor.name, by ?? changer.name);
  });
}

/** Whether an admin's token works, and so is needed to change actors. */
export async function hasAdmin(project: Project): Promise<boolean> {
  await requireHome(project);
  return (await translating(project.home, () => workingAdmins(project.home.db))).length > 0;
}

/** Everybody who was ever added, by name. */
export async function listActors(project: Project): Promise<ListedActor[]> {
  await requireHome(project);
  return translating(project.home, () => readActors(project.home.db));
}

/** In the caller's transaction, so that a token that is revoked meanwhile counts either before or not at all. */
export async function actorOf(db: Project['home']['db'], token: string): Promise<Actor> {
  const found = await foundBy(db, token);
  if (found.kind === 'unknown') throw new Refused('No actor has this token: check PROBITY_ACTOR_TOKEN');
  if (found.kind === 'actor') return found.actor;
  throw new Refused(
    found.kind === 'revoked'
      ? `The actor ${found.name} was revoked on ${found.at.toISOString()}`
      : `The token of ${found.name} ended on ${found.at.toISOString()}: \`probity actor rotate ${found.name}\``,
  );
}

async function foundBy(db: Project['home']['db'], token: string): Promise<ShownActor> {
  const shown = readToken(token);
  return shown === null ? { kind: 'unknown' } : findActor(db, shown);
}

/** Null: there is no admin to ask. `self`: who may do this beside an admin. */
async function changerOf(trx: Transaction<unknown>, { token }: ActorChanger, self: string | null): Promise<string | null> {
  if ((await workingAdmins(trx)).length === 0) {
    const found = token === null ? null : await foundBy(trx, token);
    return found?.kind === 'actor' && found.actor.name === self ? self : null;
  }
  if (token === null) throw new Refused('This needs the token of an admin: set PROBITY_ACTOR_TOKEN');
  const actor = await actorOf(trx, token);
  if (!actor.roles.includes(ADMIN) && actor.name !== self) throw new Refused(`${actor.name} is no ${ADMIN}: this needs the token of one`);
  return actor.name;
}

async function present(trx: Transaction<unknown>, name: string): Promise<Actor> {
  const actor = await readActor(trx, name);
  if (actor === null) throw new Refused(`There is no actor of this name: \`probity actor list\``);
  if (actor.revoked) throw new Refused(`The actor ${name} has been revoked`);
  return actor;
}

/** A role that nothing asks for is a typing error, or a promise of nothing. */
function checkRoles(manifest: Manifest, roles: readonly string[]): void {
  if (roles.length === 0) throw new Refused(`An actor needs a role: --role ${OFFICER}, ${APPROVER} or ${ADMIN}`);
  const known = knownRoles(manifest);
  for (const role of roles) {
    if (known.includes(role) && isRole(role)) continue;
    const near = nearest(role, known);
    throw new Refused(`Nothing asks for the role ${role}${near === null ? '' : `; did you mean ${near}?`} Known are ${known.join(', ')}`);
  }
}

/** Ours, and those that the manifest names. */
export function knownRoles({ requests, recipients }: Manifest): string[] {
  const tasks = Object.values(recipients).flatMap(({ notify }) => (notify['task'] === undefined ? [] : [notify['task']]));
  return [...new Set([OFFICER, APPROVER, ADMIN, ...requests.approval.roles, ...tasks])];
}

function newToken(): { readonly token: string; readonly shown: NonNullable<ReturnType<typeof readToken>> } {
  const token = writeToken(randomBytes(TOKEN_ID_BYTES), randomBytes(TOKEN_SECRET_BYTES));
  const shown = readToken(token);
  if (shown === null) throw new Error('A token of ours is not one');
  return { token, shown };
}

async function endOf(project: Project, days: number = DEFAULT_TOKEN_DAYS): Promise<Date> {
  if (!Number.isInteger(days) || days < 1) throw new Refused('A token works for a whole number of days, from 1 on');
  await requireHome(project);
  return new Date((await clockOf(project.home)).getTime() + days * DAY_MS);
}
