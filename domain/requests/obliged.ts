import type { Answer } from '../permission/types.ts';
import { basisOf, channelsOf } from '../../manifest/basis.ts';
import type { Basis, Manifest } from '../../manifest/model.ts';
import type { ErasureScope, RemainingPurpose, StoreErasure, TableErasure } from './model.ts';

/** What a restriction of processing leaves: so it hides what the law keeps, and nothing else, only where nothing else goes on. */
const BEYOND_RESTRICTION: readonly Basis[] = ['legal_obligation', 'vital_interests'];

/** Whether nothing goes on for people of this scope but what the law demands: then all else is to be stopped. */
export function mayRestrict({ ended, remaining }: ErasureScope): boolean {
  return ended === null && remaining.every(({ basis }) => BEYOND_RESTRICTION.includes(basis));
}

/**
 * What goes on for people on the day of their rows: what did at the erasure, without what has ended since, and what is allowed again. `answers`
 * are of all of them, by purpose; who came back keeps what they came back for.
 */
export function remainingOnDay(
  { ended, remaining }: ErasureScope,
  answers: Readonly<Record<string, readonly Pick<Answer, 'allowed' | 'reason'>[]>>,
  manifest: Manifest,
): ErasureScope {
  const still = remaining.filter(({ purpose }) => {
    const of = answers[purpose] ?? [];
    return of.length === 0 || !of.every(({ reason }) => reason === 'ended');
  });
  const again = Object.entries(manifest.purposes).flatMap(([purpose, declared]): RemainingPurpose[] => {
    if (still.some((it) => it.purpose === purpose) || !(answers[purpose] ?? []).some(({ allowed }) => allowed)) return [];
    const basis = basisOf(declared, channelsOf(declared)[0] ?? '', manifest.regimes.default) ?? 'consent';
    return BEYOND_RESTRICTION.includes(basis) ? [] : [{ purpose, basis, article: 'allowed again since' }];
  });
  return { ended, remaining: [...still, ...again].sort((one, other) => (one.purpose < other.purpose ? -1 : 1)) };
}

/**
 * The part of an erasure that is about rows under floors: their tables, and those whose rows stayed since these need them. Whatever else the
 * people have by now is not touched: it is of a later time.
 */
export function onlyUnderFloors(erasure: StoreErasure, floors: readonly string[]): StoreErasure {
  const kept = new Set(erasure.tables.filter(({ table }) => floors.includes(table)).map(({ table }) => table));
  for (let size = -1; size !== kept.size;) {
    size = kept.size;
    for (const { table, rows, incoming } of erasure.tables)
      if (rows === 'delete' && incoming.some(({ edge }) => kept.has(edge.from))) kept.add(table);
  }
  const tables = erasure.tables
    .filter(({ table }) => kept.has(table))
    .map((it): TableErasure => {
      // A row of a later time that needs one of these keeps it, as it is.
      const incoming = it.incoming.map((one) => (kept.has(one.edge.from) ? one : { ...one, otherwise: 'pin' as const }));
      return floors.includes(it.table) ? { ...it, incoming } : { ...it, incoming, masks: [], masksWhenPinned: [], spared: [], json: [] };
    });
  return { ...erasure, tables };
}
