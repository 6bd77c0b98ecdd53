import { sql, type Kysely } from 'kysely';
import { clockOf as storeClock } from '../../database/clock.ts';
import { translating } from '../../database/errors.ts';
import type { RequestRow } from '../../database/requests/model.ts';
import { forgetEverywhere } from '../../database/requests/forget.ts';
import { IDENTITY_VERBS } from '../../database/requests/seeds.ts';
import { encryptIdentities, openManyIdentities, storeIdentities } from '../../database/requests/vault.ts';
import { changeRequest } from '../../database/requests/verbs.ts';
import { currentManifest } from '../../database/runs.ts';
import { inTransaction, type Store } from '../../database/store.ts';
import { SERVICE } from '../../domain/requests/actor.ts';
import type { IdentityDecision, IdentityVerb } from '../../domain/requests/resolve.ts';
import type { RequestState } from '../../domain/requests/state.ts';
import { VaultRefused, type VaultContent, type VaultPerson } from '../../domain/requests/vault.ts';
import { cutOff } from '../../domain/time.ts';
import { keyParts } from '../../domain/subject-key.ts';
import { checkSubject, known, type ConsentIdentity } from '../consent/entries.ts';
import { readMasterKeys } from '../master-key.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';
import { leadsTo, noSuchRequest, type By } from './change.ts';
import { seekPeople } from './people.ts';

/** As long as a code of an event may be. */
const LONGEST_CODE = 40;

/**
 * Takes in by what else the subject is known: a key, or an identity such as a former address. It is kept in the vault, encrypted. What was
 * planned with less is to be planned again; what is closed is opened again, until `own.complaint_window` has passed. Throws `Refused`, and
 * `MasterKeyMissing` without a master key.
 */
export async function addIdentity(project: Project, id: string, who: ConsentIdentity, by: By): Promise<RequestRow> {
  const keys = readMasterKeys(project.env);
  await requireHome(project);
  const { home } = project;
  const person = await personOf(project, who);
  const before = await sealOf(home.db, id);
  // Where nothing of it is left, what comes now is all that is known.
  const content: VaultContent = (await openManyIdentities(home, keys, [id], SERVICE, 'add an identity').catch(refused)).get(id) ?? {
    people: [],
    reply: null,
  };
  const sealed = await encryptIdentities(keys, id, { ...content, people: [...content.people, person] });
  const row = await note(project, id, 'add_identity', 'identity' in who ? `${who.subject}.${who.identity}` : who.subject, by);
  await inTransaction(home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    await sql`select from probity.request where request_id = ${id} for no key update`.execute(trx);
    if ((await sealOf(trx, id)) !== before) throw new Refused(`Somebody else has just added something to ${id}: give it again`);
    await storeIdentities(trx, sealed);
  });
  return row;
}

/**
 * Decides whose an identity is that several of a subject have (`contact.email`): `accept`: they are all this one person; `reject`: it is not
 * theirs alone, so that it leads to nobody and to no rows. Of several decisions the last one counts. Throws `Refused`.
 */
export async function decideIdentity(project: Project, id: string, about: string, decision: IdentityDecision, by: By): Promise<RequestRow> {
  await requireHome(project);
  const { subjects } = project.manifest;
  const names = Object.entries(subjects).flatMap(([subject, { identities }]) => Object.keys(identities).map((it) => `${subject}.${it}`));
  known(about, names, 'identity', 'identity');
  if (about.length > LONGEST_CODE) throw new Refused(`${about} is too long a name: ${LONGEST_CODE} characters at most`);
  const verb = Object.keys(IDENTITY_VERBS).find((it) => IDENTITY_VERBS[it] === decision) as IdentityVerb;
  return note(project, id, verb, about, by);
}

async function personOf(project: Project, who: ConsentIdentity): Promise<VaultPerson> {
  checkSubject(project.manifest, who.subject);
  const subject = project.manifest.subjects[who.subject];
  if (subject === undefined)
    throw new Refused(`Say as which subject of the manifest: --subject ${Object.keys(project.manifest.subjects).join(' | ')}`);
  if ('identity' in who) {
    const name = known(who.identity, Object.keys(subject.identities), 'identity', `identity of ${who.subject}`);
    return { subject: who.subject, key: [], identities: { [name]: [who.value.trim()] } };
  }
  const [found] = await seekPeople(project, [who], false);
  if (found === undefined || 'problem' in found) throw new Refused(found?.problem ?? '');
  return { subject: who.subject, key: keyParts(found.key, subject.key.length), identities: {} };
}

async function note(
  project: Project,
  id: string,
  verb: IdentityVerb,
  code: string,
  { actor, now, note: text = null }: By,
): Promise<RequestRow> {
  const { home } = project;
  const at = now ?? (await storeClock(home));
  const version = await translating(home, () => currentManifest(home.db));
  const window = version?.manifest.own['complaint_window'];
  const batch = await batchOf(home, id);
  const changed = await changeRequest(home, id, { actor, at }, (row) => {
    const state = afterwards(row, batch);
    if (row.state === 'closed' && window !== undefined && row.closedAt! < cutOff(at, window, version!.manifest.timezone))
      throw new Refused(`${id} has been closed for longer than own.complaint_window: open a new request`);
    return {
      verb,
      row: { ...row, state, closedAt: state === row.state ? row.closedAt : null },
      code: code.slice(0, LONGEST_CODE),
      evidence: null,
      note: text,
      decision: null,
    };
  });
  if (changed === null) throw noSuchRequest(id);
  // Of the plan that was dropped.
  await forgetEverywhere(home, project.stores.values());
  return changed;
}

/** A plan was made of less than is known now. */
function afterwards(row: RequestRow, batch: string | null): RequestState {
  switch (row.state) {
    case 'running':
      throw new Refused(`${row.id} is being carried out: give it when it is closed, which opens it again`);
    case 'planned':
    case 'approved':
      if (batch !== null)
        throw new Refused(`${row.id} is planned with others, as ${batch}: plan it alone first, probity request plan ${row.id}`);
      return leadsTo(row, 'revise');
    case 'closed':
      return leadsTo(row, 'reopen');
    case 'refused':
    case 'cancelled':
      throw new Refused(`${row.id} is over: open a new request`);
    default:
      return row.state;
  }
}

async function batchOf(home: Store, id: string): Promise<string | null> {
  const { rows } = await translating(home, () =>
    sql<{ batch: string | null }>`select r.batch_id as batch from probity.request r where r.request_id = ${id}`.execute(home.db),
  );
  return rows[0]?.batch ?? null;
}

/** Tells one content of the vault from the next; null: none. */
async function sealOf(db: Kysely<unknown>, id: string): Promise<string | null> {
  const { rows } = await sql<{
    nonce: string | null;
  }>`select encode(nonce, 'hex') as nonce from probity.request_vault where request_id = ${id}`.execute(db);
  return rows[0]?.nonce ?? null;
}

function refused(error: unknown): never {
  throw error instanceof VaultRefused ? new Refused(error.message) : error;
}
