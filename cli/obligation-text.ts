import type { Obligation } from '../client/requests/obligations.ts';
import { showDay } from '../client/times.ts';
import { rows } from './numbers.ts';
import { textTable } from './table.ts';

export type { Obligation } from '../client/requests/obligations.ts';

const WAITS: Readonly<Record<string, string>> = {
  held: 'under a legal hold',
  observe: 'the manifest only observes',
  cannot: 'CANNOT: see the worker’s log, or the workflow',
  rows_left: 'rows come faster than they go',
};

/** `Obligation  invoice 37 rows until 1 Jan 2034 (de-hgb-257)` */
export function obligedText(obligations: readonly Obligation[], zone: string): string[] {
  const lines = obligations.flatMap((it) =>
    it.tables.map(({ table, rows: number, until, rule }) => {
      const name = table.replace(/^public\./, '');
      if (it.state === 'discharged') return `${name} done ${showDay(it.dischargedAt ?? it.openedAt, zone)} (${rule})`;
      const day = until === null ? 'for an unknown time' : `until ${showDay(new Date(until), zone)}`;
      return `${name} ${rows(number)} ${day} (${rule})${it.waits === null ? '' : ` · waits: ${WAITS[it.waits] ?? it.waits}`}`;
    }),
  );
  return lines.map((line, index) => `${index === 0 ? 'Obligation  ' : '            '}${line}`);
}

export function obligationsText(found: readonly Obligation[], zone: string, width: number | null): string {
  const titles = ['day', 'obligation', 'request', 'store', 'rows', 'last', 'state'].map((title) => ({ title }));
  const body = found.flatMap((it) =>
    it.tables.map(({ table, rows: number, until, rule }) => [
      it.state === 'discharged' ? '–' : it.dueAt === null ? 'nobody can tell' : showDay(it.dueAt, zone),
      it.id,
      it.request,
      it.store,
      `${number} ${table.replace(/^public\./, '')} (${rule})`,
      until === null ? 'nobody can tell' : showDay(new Date(until), zone),
      it.state === 'discharged' ? `done ${showDay(it.dischargedAt ?? it.openedAt, zone)}` : it.waits === null ? 'open' : (WAITS[it.waits] ?? it.waits),
    ]),
  ); // prettier-ignore
  return textTable(titles, body, width);
}
