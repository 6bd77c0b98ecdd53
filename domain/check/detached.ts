import { placeOfTable, quoted, type StoreCheck } from './context.ts';

/** What a purge has left detached when it was ended: no plan counts its rows. */
export function checkDetached(check: StoreCheck): void {
  for (const { table, parent, bound, run } of check.catalog.detached ?? []) {
    const message = `\`${table}\` was a partition of \`${parent}\` until the purge ${run} detached it: its rows stand outside of every plan`;
    const fix = `alter table ${quoted(...parent.split('.'))} attach partition ${quoted(...table.split('.'))} ${bound}`;
    check.add('P153', placeOfTable(check, parent), message, fix);
  }
}
