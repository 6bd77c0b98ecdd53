import type { ErasureWay, StoreErasure, TableErasure } from '../../domain/requests/model.ts';

/** `customer_id=key`, `order > customer_id=key`: the tables that a way goes through, then the columns that name the person. */
export function wayText({ steps, columns, identity, asText, shared, together }: ErasureWay): string {
  const way = [...steps.map((step) => short(step.to) + whenText(step.when)), `${columns.join('+')}=${identity}`].join(' > ');
  const guards = together.map(({ hop }) => ` if ${hop} has no other owner`).join('');
  return `${way}${asText ? ' as text' : ''}${guards}${shared === null ? '' : ` if shared ${shared.hop}:${short(shared.owners.to)} has no other owner`}`;
}

function whenText(when: Readonly<Record<string, unknown>>): string {
  const [entry] = Object.entries(when);
  return entry === undefined ? '' : ` when ${entry[0]}=${String(entry[1])}`;
}

/** One line a table, in the order of execution: what happens to its rows, then its masks. */
export function outcomeText(plan: StoreErasure): string[] {
  return plan.tables.map(({ table, rows, masks }) => [short(table), rows, ...masks].join(' '));
}

export function waysOf(plan: StoreErasure, table: string): string[] {
  return tableOf(plan, table).ways.map(wayText);
}

/** `order.ship_to: detach`. */
export function incomingOf(plan: StoreErasure, table: string): string[] {
  return tableOf(plan, table).incoming.map(({ edge, otherwise }) => `${short(edge.from)}.${edge.columns.join('+')}: ${otherwise}`);
}

export function tableOf(plan: StoreErasure, table: string): TableErasure {
  const found = plan.tables.find((it) => it.table === `public.${table}`);
  if (found === undefined) throw new Error(`The plan has no table ${table}`);
  return found;
}

function short(table: string): string {
  return table.replace('public.', '');
}
