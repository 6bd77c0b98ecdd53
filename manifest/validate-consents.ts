import { columnParts } from './ids.ts';
import type { ColumnOrConstant } from './model.ts';
import { nearest } from './nearest.ts';
import type { Path } from './problem.ts';
import { declared, knownStore, type Check } from './validation.ts';

/** Whom a record may be about who is no subject (yet). */
const UNKNOWN_PEOPLE: readonly string[] = ['device', 'email'];
/** Stands for every purpose, in records about a restriction. */
const ANY_PURPOSE = '*';

/** What a consent table is said to hold exists in the manifest. */
export function consents(check: Check): void {
  const { manifest, names, add } = check;
  const constant = (it: ColumnOrConstant | null): string | null => (it !== null && 'constant' in it ? it.constant : null);
  manifest.consents.forEach((it, index) => {
    const at: Path = ['consents', index];
    knownStore(check, it.table, [...at, 'table']);
    if (!names.subjects.includes(it.subject) && !UNKNOWN_PEOPLE.includes(it.subject)) {
      const near = nearest(it.subject, [...names.subjects, ...UNKNOWN_PEOPLE]);
      add(
        'P014',
        [...at, 'subject'],
        `there is no subject \`${it.subject}\``,
        near ? `write \`${near}\`` : declared('subjects', names.subjects),
      );
    }
    const purpose = constant(it.purpose);
    if (purpose !== null && purpose !== ANY_PURPOSE && !names.purposes.includes(purpose)) {
      const near = nearest(purpose, names.purposes);
      add(
        'P013',
        [...at, 'purpose', 'constant'],
        `there is no purpose \`${purpose}\``,
        near ? `write \`${near}\`` : declared('purposes', names.purposes),
      );
    }
    const channel = constant(it.channel);
    const channels =
      purpose === null ? Object.values(manifest.purposes).flatMap((one) => one.channels) : (manifest.purposes[purpose]?.channels ?? []);
    if (channel !== null && !channels.includes(channel)) {
      const near = nearest(channel, channels);
      const message = purpose === null ? `no purpose has a channel \`${channel}\`` : `\`${purpose}\` has no channel \`${channel}\``;
      add('P028', [...at, 'channel', 'constant'], message, near ? `write \`${near}\`` : declared('channels', [...new Set(channels)]));
    }
    const same = manifest.consents.findIndex((other) => JSON.stringify(other) === JSON.stringify(it));
    if (same !== index) add('P017', at, `\`${columnParts(it.table).column}\` is read twice in the same way`, 'remove one');
  });
}
