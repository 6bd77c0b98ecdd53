import { basesOf, basisOf, channelsOf, isChosen, isOptIn, regimesOf } from './basis.ts';
import type { Basis, Manifest, Purpose } from './model.ts';
import { nearest } from './nearest.ts';
import { KEY, type Path } from './problem.ts';
import type { Add } from './validation.ts';

/** What a request for erasure does not end. */
const UNASKED: readonly Basis[] = ['legal_obligation', 'vital_interests', 'public_task'];

/** Roles behind which no view can hide a row: the usual superuser, everybody, and Postgres's own. */
const TOO_MIGHTY = /^(postgres|public|root|pg_.*|rds_?superuser|cloudsqlsuperuser|azure_pg_admin)$/i;

/** What is said of purposes makes sense by itself: each channel has one kind of basis, and nothing is promised that the basis does not know. */
export function purposes(manifest: Manifest, add: Add): void {
  for (const [name, purpose] of Object.entries(manifest.purposes)) {
    const at: Path = ['purposes', name];
    basisKeys(manifest, purpose, at, add);
    mixed(manifest, name, purpose, at, add);
    settings(manifest, name, purpose, at, add);
    endOnRequest(manifest, name, purpose, at, add);
    readers(purpose, at, add);
  }
}

function basisKeys(manifest: Manifest, purpose: Purpose, at: Path, add: Add): void {
  if (typeof purpose.basis === 'string') return;
  const known = ['default', ...purpose.channels, ...regimesOf(manifest)];
  for (const key of Object.keys(purpose.basis).filter((it) => !known.includes(it))) {
    const near = nearest(key, known);
    const fix = near ? `write \`${near}\`` : `write one of ${known.join(', ')}, or add \`${key}\` to \`channels\``;
    add('P024', [...at, 'basis', key, KEY], `\`${key}\` is neither a channel of the purpose nor a regime`, fix);
  }
  for (const channel of channelsOf(purpose)) {
    const without = regimesOf(manifest).filter((regime) => basisOf(purpose, channel, regime) === null);
    if (without.length === 0) continue;
    const where = channel === null ? '' : ` on channel \`${channel}\``;
    add('P025', [...at, 'basis'], `nothing says the basis${where} under ${without.join(', ')}`, 'add `default: …`');
  }
}

/** Where one channel needs a grant and another one only no objection, a refusal of "the purpose" would mean two things. */
function mixed(manifest: Manifest, name: string, purpose: Purpose, at: Path, add: Add): void {
  for (const regime of regimesOf(manifest)) {
    const bases = channelsOf(purpose).map((channel) => basisOf(purpose, channel, regime));
    const asked = bases.find((it) => it !== null && isOptIn(it));
    const other = bases.find((it) => it !== null && !isOptIn(it));
    if (!asked || !other) continue;
    const message = `under ${regime}, \`${name}\` rests on ${asked} on one channel and on ${other} on another`;
    return add('P023', [...at, 'basis'], message, 'make two purposes, such as one for each basis');
  }
}

function settings(manifest: Manifest, name: string, purpose: Purpose, at: Path, add: Add): void {
  const bases = basesOf(purpose, manifest);
  if (bases.length > 0 && !bases.some(isChosen)) {
    const useless = (key: string): void =>
      add(
        'P026',
        [...at, key],
        `\`${name}\` rests on ${bases.join(' and ')}, so there is no grant that \`${key}\` could be about`,
        `remove \`${key}\``,
      );
    if (purpose.expires !== null) useless('expires');
    if (purpose.doubleOptIn) useless('double_opt_in');
    if (purpose.minimumAge !== null) {
      const message = `\`${name}\` rests on ${bases.join(' and ')}: nobody of unknown age is served, and no parent can grant it`;
      add('P026', [...at, 'minimum_age'], message, null, 'info');
    }
  }
  const births = Object.values(manifest.subjects).filter((it) => it.birth !== null);
  if (births.length > 0 || Object.keys(manifest.subjects).length === 0) return;
  const fix = 'name the column: `subjects: { customer: { birth: birth_date } }`';
  if (purpose.minimumAge !== null)
    add(
      'P027',
      [...at, 'minimum_age'],
      `no subject says when it was born, so \`${name}\` is denied to all but whom a parent granted it`,
      fix,
    );
  else if (bases.includes('opt_out'))
    add(
      'P027',
      [...at, 'basis'],
      `no subject says when it was born, and children must opt in: \`${name}\` is denied to all without a parent’s grant`,
      fix,
    );
}

/** Only a contract is the person's to end by asking: a consent ends by withdrawal, and a duty does not ask them. */
function endOnRequest(manifest: Manifest, name: string, purpose: Purpose, at: Path, add: Add): void {
  const other = basesOf(purpose, manifest).find((it) => it !== 'contract');
  if (!purpose.endsOnRequest || other === undefined) return;
  const [why, fix] = UNASKED.includes(other)
    ? ['which no request of a person ends', 'remove `ends`, or name the column with the time of the end']
    : ['which an erasure ends anyway', 'remove `ends`'];
  add('P031', [...at, 'ends'], `\`${name}\` rests on ${other}, ${why}`, fix);
}

function readers(purpose: Purpose, at: Path, add: Add): void {
  purpose.readers.forEach((role, index) => {
    const path: Path = [...at, 'readers', index];
    if (purpose.readers.indexOf(role) !== index) add('P017', path, `the reader \`${role}\` stands here twice`, 'remove one');
    if (!TOO_MIGHTY.test(role)) return;
    add('P029', path, `\`${role}\` may read more than the views of a purpose`, 'name a role of the people who need it, such as analyst');
  });
}
