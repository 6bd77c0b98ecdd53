import { dueNews, recordNews, type DueNews } from '../database/requests/news.ts';
import { openNotices, readNotices } from '../database/requests/notices.ts';
import { analyseKeys, removeKeys, writeKeys, type RunKey } from '../database/requests/erasure/keys.ts';
import { resolvePeople } from '../database/requests/resolve.ts';
import { removePeople, writePeople } from '../database/requests/run-people.ts';
import { readSeeds } from '../database/requests/seeds.ts';
import { currentManifest } from '../database/runs.ts';
import type { Store } from '../database/store.ts';
import { KEY_IDENTITY } from '../domain/requests/graph.ts';
import { isSettled, recipientsOf } from '../domain/requests/notices.ts';
import { kindsOf } from '../domain/requests/person-kinds.ts';
import { noticePolicy } from '../domain/requests/policy.ts';
import { keyParts } from '../domain/subject-key.ts';
import type { Manifest } from '../manifest/model.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { guarded } from './failures.ts';

export type NewsActivities = ReturnType<typeof newsActivities>;

/** Restrictions, their end and rectifications: what recipients hear of without a plan. Numbers go in and out. */
export function newsActivities(dependencies: ActivityDependencies) {
  const { home } = dependencies;

  /** Opens the notices of what is to be told of a request now. `waits`: somebody has still to hear of it. Repeating it opens nothing twice. */
  const openNews = (request: string): Promise<{ readonly waits: boolean }> =>
    guarded(async () => {
      const manifest = (await currentManifest(home.db))?.manifest;
      // A manifest that only observes tells nobody anything.
      if (manifest?.mode === 'enforce') for (const due of await dueNews(home, { request, limit: 1 })) await open(due, manifest);
      return { waits: (await readNotices(home, request)).some((it) => !isSettled(it)) };
    });

  async function open(due: DueNews, manifest: Manifest): Promise<void> {
    const { request, news } = due;
    const run = `${news}-${request}`;
    const subjects = await writePerson(request, run, manifest);
    const told = recipientsOf(manifest, subjects);
    const notices = await openNotices(home, { request, run, news, told, policy: noticePolicy(manifest) });
    await recordNews(home, due);
    if (notices.some((it) => it.run === run && !isSettled(it))) return;
    await removeKeys(home, run);
    await removePeople(home, run);
  }

  /** By what recipients may know the person, in the home store until all have been told. Returns as which subjects, by class. */
  async function writePerson(request: string, run: string, manifest: Manifest): Promise<string[]> {
    const stores = new Map<string, Store>(Object.keys(manifest.stores).map((name) => [name, dependencies.store(manifest, name)]));
    const seeds = await readSeeds(home, manifest, [request], { run, vault: dependencies.vault?.() ?? null });
    const seed = seeds.get(request)!;
    const [resolved] = await resolvePeople(stores, manifest, [seed]);
    const kinds = resolved === undefined ? [] : kindsOf(manifest, seed.subject, resolved);
    await writePeople(home, run, [{ person: 0, request }]);
    for (const [index, { subject, keys, identities }] of kinds.entries()) {
      const one = { chunk: 0, person: 0, class: index };
      const columns = manifest.subjects[subject]!.key.length;
      const all: RunKey[] = [
        ...keys.map((key) => ({ ...one, identity: KEY_IDENTITY, parts: keyParts(key, columns) })),
        ...identities.map(({ identity, value }) => ({ ...one, identity, parts: [value] })),
      ];
      await writeKeys(home, run, subject, all);
    }
    await analyseKeys(home);
    return kinds.map(({ subject }) => subject);
  }

  return { openNews };
}
