import { titles } from '../client/tables.ts';
import type { MappedReference } from '../domain/people/map.ts';
import { textTable } from './table.ts';

const MEANS: Readonly<Record<MappedReference['as'], string>> = {
  owner: 'owner: the row goes with them',
  mention: 'mention: the row stays',
  both: 'both: the row goes with the last',
  unclear: 'NOT CLEAR',
};

/** Of each reference that leads to people: what it means for its rows, and why. */
export function mapText(map: readonly MappedReference[], width: number | null): string {
  const named = titles([...new Set(map.map(({ table }) => table))]);
  const rows = map.map(({ table, columns, to, as, because }) => [named.get(table) ?? table, columns.join(', '), to, MEANS[as], because]);
  const head = ['table', 'refers by', 'to', 'so the person is its', 'since'].map((title) => ({ title }));
  return textTable(head, rows, width);
}
