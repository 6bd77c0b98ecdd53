import { planIdOf, planMembers } from '../../database/requests/batches.ts';
import { currentPlan } from '../../database/requests/plans.ts';
import { readRequests } from '../../database/requests/read.ts';
import { resolvePeople } from '../../database/requests/resolve.ts';
import { readSeeds } from '../../database/requests/seeds.ts';
import { openManyIdentities, recordLooks } from '../../database/requests/vault.ts';
import { OFFICER } from '../../domain/requests/actor.ts';
import type { Ambiguous } from '../../domain/requests/resolve.ts';
import { VaultRefused, type VaultContent } from '../../domain/requests/vault.ts';
import { keyParts } from '../../domain/subject-key.ts';
import { actorOf } from '../actors.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';
import { noSuchRequest } from './change.ts';
import { masterKeys } from './seal.ts';

/** Whom a request is about. Personal data: for the eyes of whoever asked, and for no log. */
export interface RevealedPerson {
  readonly request: string;
  /** As which kinds of subject they are known, each key by its columns. */
  readonly keys: readonly { readonly subject: string; readonly key: readonly string[] }[];
  readonly identities: Readonly<Record<string, readonly string[]>>;
  /** What a person must decide before it is planned. */
  readonly ambiguous: readonly Ambiguous[];
  /** Who has the same number or name, and is not taken for them. */
  readonly apart: readonly Ambiguous[];
  /** What they have and is nobody's: it leads to no rows. */
  readonly shared: readonly Ambiguous[];
}

export interface Revealed {
  readonly people: readonly RevealedPerson[];
  /** Requests behind the number; more than `people` where a limit was given. */
  readonly requests: number;
}

/** A sentence, not a file. */
const LONGEST_WHY = 300;

/** As it is kept. */
export function reasonToLook(why: string): string {
  const reason = why.trim();
  if (reason === '' || reason.length > LONGEST_WHY) throw new Refused(`A look needs its reason, in at most ${LONGEST_WHY} characters`);
  return reason;
}

/**
 * Whom a request, or each of a batch, is about now: as the consent ledger, the requester, the plan and the stores know them. That an officer
 * looked, and why, has committed before anything is read. `why` is kept as it was given, in a row that can be deleted. Throws `Refused` for
 * whoever is no officer, and `VaultRefused` where the vault does not open.
 */
export async function revealPeople(
  project: Project,
  id: string,
  { why, limit }: { readonly why: string; readonly limit: number },
  token: string,
): Promise<Revealed> {
  const reason = reasonToLook(why);
  await requireHome(project);
  const { home, stores, manifest } = project;
  const actor = await actorOf(home.db, token);
  if (!actor.roles.includes(OFFICER))
    throw new Refused(`${actor.name} may not look at whom a request is about: that needs the role ${OFFICER}`);
  const all = await planMembers(home.db, id);
  const shown = all.slice(0, limit);
  const [first] = shown;
  if (first === undefined || (await readRequests(home, { id: first, limit: 1 })).length === 0) throw noSuchRequest(id);
  const keys = masterKeys(project.env);
  const opened =
    keys === null ? new Map<string, VaultContent>() : await openManyIdentities(home, keys, shown, actor, reason).catch(refused);
  await recordLooks(home, shown.filter((it) => !opened.has(it)), actor, reason); // prettier-ignore
  const plan = await currentPlan(home.db, await planIdOf(home, id));
  const seeds = await readSeeds(home, manifest, shown, { run: plan?.plan.run ?? null, vault: null, opened });
  const people = await resolvePeople(stores, manifest, shown.map((it) => seeds.get(it)!)); // prettier-ignore
  return {
    requests: all.length,
    people: people.map((it, at) => ({
      request: shown[at]!,
      keys: it.keys.map(({ subject, key }) => ({
        subject,
        key: keyParts(key, manifest.subjects[subject]!.key.length),
      })),
      identities: it.identities,
      ambiguous: it.ambiguous,
      apart: it.apart,
      shared: it.shared,
    })),
  };
}

function refused(error: unknown): never {
  throw error instanceof VaultRefused ? new Refused(error.message) : error;
}
