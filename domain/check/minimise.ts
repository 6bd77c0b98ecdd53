import { roughDays } from '../../manifest/duration.ts';
import type { Manifest, Purpose } from '../../manifest/model.ts';
import { KEY } from '../../manifest/problem.ts';
import { listed, tableName, type KnownTable, type StoreCheck } from './context.ts';
import { deletions } from './deletion.ts';
import { personalColumns } from './subjects.ts';

/** Data that nothing uses, and data kept longer than anything needs it. Remarks only: whether it is needed a person knows. */
export function checkMinimisation(check: StoreCheck): void {
  // A manifest that names no purposes yet would get a remark a table.
  if (Object.keys(check.manifest.purposes).length > 0) for (const table of check.tables) unused(check, table);
  const goesWithOthers = new Set(deletions(check).flatMap((it) => it.deletes));
  for (const table of check.tables) {
    tooLong(check, table);
    const personal = personalColumns(table.declared);
    if (personal.length === 0 || table.declared.retention || goesWithOthers.has(tableName(table.live)) || isShared(check, table.id))
      continue;
    check.add(
      'P128',
      [...table.at, KEY],
      `\`${tableName(table.live)}\` holds ${listed(personal)}, and nothing says when its rows go`,
      'add `retention`',
    );
  }
}

function unused(check: StoreCheck, { declared, live, at }: KnownTable): void {
  // Why it is there says the manifest with it.
  if (declared.stays !== null) return;
  if (declared.columns === null) {
    if (declared.purposes.length === 0) check.add('P126', [...at, KEY], `no purpose uses \`${tableName(live)}\``, 'add `purposes`');
    return;
  }
  const needed = new Set([...(live.primaryKey ?? []), ...live.foreignKeys.flatMap((it) => it.columns)]);
  const rule = declared.retention?.after;
  for (const name of [declared.capturedAt, declared.floor?.after, rule && 'column' in rule ? rule.column : null])
    if (name) needed.add(name);
  const idle = Object.entries(declared.columns)
    .filter(([name, it]) => (it.purposes ?? declared.purposes).length === 0 && !needed.has(name))
    .map(([name]) => name);
  if (idle.length > 0)
    check.add(
      'P126',
      [...at, 'columns', KEY],
      `no purpose uses ${listed(idle)} of \`${tableName(live)}\``,
      'name the purpose, or stop collecting',
    );
}

function tooLong(check: StoreCheck, { declared, live, at }: KnownTable): void {
  const { retention } = declared;
  const needs = longestNeed(check.manifest, declared);
  if (!retention || !needs || roughDays(retention.keep) <= roughDays(needs.keep)) return;
  check.add(
    'P127',
    [...at, 'retention', 'keep'],
    `\`${tableName(live)}\` is kept ${retention.keep}, and ${needs.why} ${needs.keep}`,
    `write ${needs.keep}, or name the purpose that needs it longer`,
  );
}

/** The longest time that any purpose of the table needs; null when one of them sets no limit. */
function longestNeed(manifest: Manifest, { purposes, columns, floor }: KnownTable['declared']): { keep: string; why: string } | null {
  const names = new Set([...purposes, ...Object.values(columns ?? {}).flatMap((it) => it.purposes ?? [])]);
  const uses = [...names].flatMap((name) => manifest.purposes[name] ?? []);
  const limits = uses.map((purpose) => limit(purpose, floor?.keep ?? null));
  if (limits.length === 0 || limits.some((it) => it === null)) return null;
  const longest = limits.filter((it) => it !== null).toSorted((a, b) => roughDays(b.keep) - roughDays(a.keep))[0];
  return longest ?? null;
}

function limit(purpose: Purpose, floor: string | null): { keep: string; why: string } | null {
  const { basis, expires } = purpose;
  if (expires !== null) return { keep: expires, why: 'the last purpose that uses it expires after' };
  return basis === 'legal_obligation' && floor !== null ? { keep: floor, why: 'the law asks for' } : null;
}

function isShared({ manifest }: StoreCheck, id: string): boolean {
  return manifest.shared.some((it) => it.table === id);
}
