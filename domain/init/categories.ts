import type { CatalogColumn, CatalogTable } from '../catalog.ts';
import { has } from '../words.ts';
import { guessByTable } from './by-table.ts';
import { COLUMN_RULES } from './column-rules.ts';
import type { ColumnGuess } from './guess.ts';
import { namedLikePeople } from './names.ts';
import type { ColumnShape } from './samples.ts';

/** Shares from which on the sample decides, against the name if need be. Below, single values are more likely exceptions. */
const MOSTLY = 0.5;
const VAGUE = ['financial', 'behaviour', 'free_text'];

/** Guesses from type, name, sample and table. `isKey`: the column belongs to a primary or foreign key. */
export function guessColumn(column: CatalogColumn, shape: ColumnShape | undefined, table: CatalogTable, isKey: boolean): ColumnGuess {
  const none = { identifying: false, protected: null, special: null, identity: null, anything: false };
  const bySample = shape === undefined || shape.values === 0 ? null : sampleGuess(shape);
  if (bySample !== null) return { ...none, ...bySample };
  // Keys come before names (`device_id`), but a natural key may be an e-mail address.
  const byTable = isKey ? null : guessByTable(column, table);
  if (byTable?.anything === true) return { ...none, ...byTable };
  const rule = COLUMN_RULES.find((it) => has(column.name, it.words) && !it.not?.includes(column.typeCategory));
  if (isKey && rule?.identity === undefined) return { ...none, category: 'key', reason: null };
  // A name of its own says more than the table, unless it is a word for anything (`value`, `code`).
  if (byTable !== null && (rule === undefined || VAGUE.includes(rule.category))) return { ...none, ...byTable };
  if (rule !== undefined) {
    return {
      ...none,
      category: rule.category,
      identifying: rule.identifying ?? false,
      protected: rule.protected ?? null,
      special: rule.special ?? null,
      identity: rule.identity ?? null,
      reason: `named like ${rule.says}`,
    };
  }
  if (namedLikePeople(table.name) && has(column.name, 'name'))
    return { ...none, category: 'contact', identifying: true, reason: 'a name in a table named like people' };
  if (column.baseType === 'inet' || column.baseType === 'cidr')
    return { ...none, category: 'device', identifying: true, reason: `of type ${column.baseType}` };
  if (column.baseType === 'point' || column.baseType === 'geography' || column.baseType === 'geometry')
    return { ...none, category: 'location', reason: `of type ${column.baseType}` };
  if (shape !== undefined && shape.contactPaths.length > 0)
    return { ...none, category: 'contact', identifying: true, reason: 'holds contact data inside' };
  if (column.typeCategory === 'json') return { ...none, category: 'free_text', reason: 'JSON may hold anything' };
  if (shape !== undefined && shape.prose >= MOSTLY)
    return { ...none, category: 'free_text', reason: `${percent(shape.prose)} of ${shape.values} sampled values are sentences` };
  if (column.typeCategory === 'time') return { ...none, category: 'time', reason: null };
  if (column.typeCategory === 'uuid' || has(column.name, 'id|uuid|guid'))
    return { ...none, category: 'key', reason: 'named or typed like a key' };
  return { ...none, category: 'other', reason: 'nothing about it looks personal' };
}

function sampleGuess(shape: ColumnShape): Pick<ColumnGuess, 'category' | 'identifying' | 'identity' | 'reason'> | null {
  const says = (share: number, what: string) => `${percent(share)} of ${shape.values} sampled values look like ${what}`;
  if (shape.email >= MOSTLY)
    return { category: 'contact', identifying: true, identity: 'email', reason: says(shape.email, 'e-mail addresses') };
  if (shape.phone >= MOSTLY)
    return { category: 'contact', identifying: true, identity: 'phone', reason: says(shape.phone, 'phone numbers') };
  if (shape.ip >= MOSTLY) return { category: 'device', identifying: true, identity: null, reason: says(shape.ip, 'IP addresses') };
  return null;
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Categories that say something about a person when the table leads to one. */
export function isPersonal(guess: ColumnGuess): boolean {
  return (
    guess.identifying ||
    guess.anything ||
    guess.protected !== null ||
    guess.special !== null ||
    ['contact', 'demographic', 'device', 'health', 'government_id', 'credential'].includes(guess.category)
  );
}
