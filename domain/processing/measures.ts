import type { Manifest } from '../../manifest/model.ts';
import type { BuiltMeasure } from './record.ts';

/** What Probity itself does under this manifest, said so that it claims nothing which the manifest does not switch on. */
export function measures(manifest: Manifest): BuiltMeasure[] {
  const enforcing: BuiltMeasure['state'] = manifest.mode === 'enforce' ? 'in force' : 'observing';
  const found: BuiltMeasure[] = [];
  const say = (state: BuiltMeasure['state'], measure: string): void => void found.push({ state, measure });

  const ruled = Object.values(manifest.tables).filter((it) => it.retention !== null);
  const purges = Object.entries(manifest.schedules).filter(([, it]) => it.run.includes('retention'));
  if (ruled.length > 0) {
    const when =
      purges.length > 0
        ? `by schedule (${purges.map(([name, it]) => `${name}: ${it.cron} ${manifest.timezone}`).join('; ')})`
        : 'when a person starts it';
    say(
      enforcing,
      `Data is limited to its time: expired rows of ${ruled.length} tables are deleted, masked or summed up ${when}; each run ends in a signed certificate`,
    );
  }
  const floors = Object.values(manifest.tables).filter((it) => it.floor !== null);
  if (floors.length > 0) say('in force', `Legal floors and legal holds win over deletion (${floors.length} tables with a floor)`);
  const optIn = Object.values(manifest.purposes);
  if (optIn.length > 0)
    say(
      'in force',
      'Permission is judged for each subject, purpose and channel inside the database, from an append-only ledger of consent; unknown means no',
    );
  const aged = optIn.filter((it) => it.minimumAge !== null);
  if (aged.length > 0) say('in force', `Who is too young, or of unknown age, is left out of ${aged.length} purposes`);
  const readers = [...new Set(optIn.flatMap((it) => it.readers))];
  if (readers.length > 0) {
    const who = readers.map((it) => `\`${it}\``).join(', ');
    say(
      enforcing,
      `Readers (${who}) see views of one purpose each: only its columns, only subjects who permit it, under pseudonyms that differ by purpose. \`probity views diff\` shows whether the databases agree`,
    );
  }
  if (manifest.sink)
    say(
      'in force',
      'Withdrawals are also written, encrypted, outside of every database, and replayed after a restore before anything is served',
    );
  if (Object.keys(manifest.stores).length > 1)
    say('in force', `A store that has not heard from the home store for ${manifest.replicas.leaseMs / 1000} s answers no`);
  return found;
}
