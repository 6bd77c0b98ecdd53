import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalHash } from '../../domain/canonical.ts';
import { planErasure } from '../../domain/requests/erasure.ts';
import type { StoreErasure } from '../../domain/requests/model.ts';
import { isRigid } from '../../domain/retention/cycles.ts';
import { storeEdges, type Edge } from '../../domain/retention/graph.ts';
import { PLAIN, schemas, scopes, turned, type Schema } from './planner-schema.ts';

const RUNS = { numRuns: 200 };

function check(property: (schema: Schema, plan: StoreErasure, edges: readonly Edge[]) => void): void {
  fc.assert(
    fc.property(schemas, scopes, (schema, scope) => {
      const { catalog, manifest } = schema;
      property(schema, planErasure('person', scope, catalog, manifest), storeEdges(catalog, manifest));
    }),
    RUNS,
  );
}

const isAddress = (edge: Edge): boolean => edge.foreignKey === null && edge.toColumns.join() === 'a';

/** Tables from which the subject can be reached, found by growing the set until nothing is added. */
function reaching({ manifest }: Schema, edges: readonly Edge[]): Set<string> {
  const found = new Set(['public.t0']);
  const dead = new Set(['public.t0', ...Object.values(manifest.subjects).map((it) => it.table.slice('shop.'.length))]);
  const [shared] = manifest.shared;
  const owns = (edge: Edge): boolean => shared !== undefined && edge.from === 'public.t3' && edge.to === 'public.t2';
  for (let before = -1; before < found.size;) {
    before = found.size;
    for (const edge of edges) if (edge.as !== 'mention' && found.has(edge.to) && !dead.has(edge.from) && !owns(edge)) found.add(edge.from);
    const goes = shared?.onErase === 'delete' || (shared?.onErase === 'detach' && shared.lastOwner === 'delete');
    if (goes && found.has('public.t3')) found.add('public.t2');
  }
  if (shared !== undefined && found.has('public.t3')) found.add('public.t2');
  return found;
}

test('every declared table from which a way leads to the subject is in the plan once, and no other', () => {
  check((schema, plan, edges) => {
    const expected = [...reaching(schema, edges)].filter((it) => `shop.${it}` in schema.manifest.tables).sort();
    const naming = plan.tables.filter(({ mentions }) => mentions.length > 0).map(({ table }) => table);
    expect(plan.tables.map((it) => it.table).sort()).toEqual([...new Set([...expected, ...naming])].sort());
    for (const { ways, mentions } of plan.tables) expect(ways.length + mentions.length).toBeGreaterThan(0);
    expect(plan.problems.filter((it) => it.code === 'not_reached' && it.message.includes('more hops'))).toEqual([]);
  });
});

test('no way goes along a reference that only mentions, and what several references say without a word is a problem', () => {
  check(({ manifest }, plan) => {
    const mentioned = new Set(
      manifest.references.filter(({ as }) => as === 'mention').map(({ from, when }) => canonicalHash([from, when])),
    );
    for (const { table, ways } of plan.tables) {
      for (const { steps, columns, identity } of ways) {
        const hops = steps.map(({ from, columns: [column], when }) => canonicalHash([`shop.${from}.${column!}`, when]));
        for (const hop of hops) expect(mentioned).not.toContain(hop);
        const last = steps.at(-1)?.to ?? table;
        if (last !== 'public.t0' && identity !== 'id') expect(mentioned).not.toContain(canonicalHash([`shop.${last}.${columns[0]!}`, {}]));
      }
      // Two columns of which nobody has said anything, and none of which stands in the key, both name people themselves.
      const silent = new Set(ways.filter(({ steps }) => steps.length === 0).map(({ columns }) => columns.join()));
      const declared = manifest.references.filter(({ from, as }) => as !== null && from.startsWith(`shop.${table}.`));
      if (silent.size > 1 && declared.length === 0)
        expect(plan.problems.map((it) => `${it.code} ${it.table}`)).toContain(`unclear shop.${table}`);
    }
  });
});

test('a way hangs together and ends where the subject is named', () => {
  check(({ catalog }, plan) => {
    for (const { table, ways } of plan.tables) {
      for (const { steps, columns, shared, together } of ways) {
        const tables = [table, ...steps.map((it) => it.to)];
        expect(steps.map((it) => it.from)).toEqual(tables.slice(0, -1));
        expect(new Set(tables).size).toBe(tables.length);
        const names = (hop: number): string[] => catalog.tables[tables[hop]!]!.columns.map((it) => it.name);
        expect(names(steps.length)).toEqual(expect.arrayContaining([...columns]));
        for (const { hop, owners } of together)
          for (const it of owners) expect(names(hop)).toEqual(expect.arrayContaining([...it.columns]));
        if (shared !== null) expect([tables[shared.hop], tables[shared.hop + 1]]).toEqual([shared.owners.to, shared.owners.from]);
      }
    }
  });
});

test('the order is one of the condensation, and opens only what can be opened', () => {
  check(({ catalog }, plan, edges) => {
    const at = (table: string): number => plan.tables.findIndex((it) => it.table === table);
    const relation = [
      ...edges.filter((edge) => !isAddress(edge)),
      ...plan.tables.flatMap(({ table, ways, shared }) =>
        ways.flatMap(({ steps }) => steps.filter((it) => it.to !== shared?.owners.from).map(({ to }) => ({ from: table, to }))),
      ),
    ].filter(({ from, to }) => from !== to && at(from) >= 0 && at(to) >= 0);
    const reach = closure(relation);
    for (const { from, to } of relation) if (!reach.has(`${to} ${from}`)) expect(at(from)).toBeLessThan(at(to));

    const deleted = new Set(plan.tables.filter((it) => it.rows === 'delete').map((it) => it.table));
    if (plan.problems.some((it) => it.code === 'cycle')) return;
    for (const { from, to, foreignKey, columns } of edges) {
      if (!deleted.has(from) || !deleted.has(to) || at(from) <= at(to) || foreignKey?.enforced !== true) continue;
      const nullable = catalog.tables[from]!.columns.some((it) => columns.includes(it.name) && it.nullable);
      expect(nullable || foreignKey.deferrable).toBe(true);
    }
  });
});

test('what leads to rows goes after them, unless foreign keys forbid it', () => {
  check(({ catalog }, plan, edges) => {
    const at = (table: string): number => plan.tables.findIndex((it) => it.table === table);
    const along = plan.tables.flatMap(({ table, ways, shared }) =>
      ways.flatMap(({ steps }) => steps.filter((it) => it.to !== shared?.owners.from).map(({ to }) => ({ from: table, to }))),
    );
    const rigid = edges.filter((it) => isRigid(catalog, it)).map(({ from, to }) => ({ from, to }));
    const reach = closure([...along, ...rigid].filter(({ from, to }) => from !== to));
    // Where nothing goes round, nothing has to give way.
    if (plan.tables.some(({ table }) => reach.has(`${table} ${table}`))) return;
    for (const { from, to } of along) if (at(to) >= 0) expect(at(from)).toBeLessThan(at(to));
  });
});

/** `a b` for each pair of which b can be reached from a. */
function closure(relation: readonly { readonly from: string; readonly to: string }[]): Set<string> {
  const tables = [...new Set(relation.flatMap(({ from, to }) => [from, to]))];
  const reach = new Set(relation.map(({ from, to }) => `${from} ${to}`));
  for (const through of tables)
    for (const from of tables)
      for (const to of tables) if (reach.has(`${from} ${through}`) && reach.has(`${through} ${to}`)) reach.add(`${from} ${to}`);
  return reach;
}

test('masks hold no keys, nothing generated and nothing that a purpose keeps; rows go only if no purpose keeps them', () => {
  check(({ catalog, manifest }, plan, edges) => {
    for (const { table, rows, masks, masksWhenPinned, keptBy } of plan.tables) {
      const live = catalog.tables[table]!;
      const declared = manifest.tables[`shop.${table}`]!;
      const isKept = (column: string): boolean =>
        (declared.columns?.[column]?.purposes ?? declared.purposes).some((it) => plan.remaining.some(({ purpose }) => purpose === it));
      const keys = [
        ...live.primaryKey!,
        ...edges.filter((it) => it.from === table && !isAddress(it)).flatMap((it) => [...it.columns, ...Object.keys(it.when)]),
      ];
      for (const column of [...masks, ...masksWhenPinned]) expect([...keys, 'c']).not.toContain(column);
      expect(masks.filter(isKept)).toEqual([]);
      if (rows === 'delete') {
        expect(live.columns.map(({ name }) => name).filter(isKept)).toEqual([]);
        expect([masks, keptBy]).toEqual([[], []]);
      } else {
        expect(rows).toBe(masks.length > 0 ? 'mask' : 'keep');
        expect(masksWhenPinned).toEqual([]);
      }
    }
  });
});

/** The columns of a table of `planner-schema.ts`, by hand: what their types are to a reader of the manifest. */
const IS_TEXT = ['a', 'b'];
const MAY_BE_EMPTY = ['a', 'seen'];
/** Words of `planner-schema.ts`; the last is a company's own. */
const THEIRS: readonly (string | null)[] = ['contact', 'free_text', 'swimming'];
const NOBODYS: readonly (string | null)[] = ['other', 'time', 'technical', 'key'];
const DEEDS: readonly (string | null)[] = ['behaviour', 'financial'];

test('of a row that stays, what says who it was is masked, and nothing that is nobody’s: by the words of the manifest', () => {
  const seen = { nobodys: 0, theirs: 0, spared: 0, chosen: 0, ended: 0 };
  check(({ manifest }, plan) => {
    for (const { table, ways, rows, masks, masksWhenPinned, wanted, spared } of plan.tables) {
      const { columns } = manifest.tables[`shop.${table}`]!;
      if (ways.length === 0) continue;
      for (const name of PLAIN.filter((it) => it !== 'c')) {
        const about = columns?.[name];
        const isMasked = (rows === 'delete' ? masksWhenPinned : masks).includes(name);
        const isIdentity = table === 'public.t0' && name === 'a';
        const special = (about?.special ?? null) !== null;
        const category = about?.category ?? null;
        const theirs = isIdentity || about?.identifying === true || special || THEIRS.includes(category);
        const nobodys = !theirs && NOBODYS.includes(category);
        const goes = theirs || (!nobodys && (IS_TEXT.includes(name) || (DEEDS.includes(category) && MAY_BE_EMPTY.includes(name))));
        const choice = about?.onErase ?? null;
        if (choice !== null) {
          const keep = choice.with === 'keep';
          if (keep) expect(isMasked, name).toBe(false);
          if (isMasked) expect(wanted[name], name).toEqual(choice);
          seen[keep ? 'spared' : 'chosen'] += 1;
          if (rows !== 'delete') continue;
          expect(isMasked, name).toBe(!keep);
          expect(spared.map(({ column }) => column).includes(name), name).toBe(keep && goes);
          continue;
        }
        expect(wanted[name]).toBeUndefined();
        if (nobodys) expect(isMasked, `${table}.${name}`).toBe(false);
        if (rows === 'delete') {
          expect(isMasked, `${table}.${name}`).toBe(goes);
          seen[isMasked ? 'theirs' : 'nobodys'] += 1;
        } else if (isMasked) seen.ended += 1;
      }
    }
  });
  for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(20);
});

test('whatever points at rows that go is cut or stops them', () => {
  check(({ manifest }, plan, edges) => {
    for (const { table, rows, incoming } of plan.tables) {
      const keys = edges.filter((it) => it.to === table && it.foreignKey?.enforced === true).map((it) => it.name);
      const seen = incoming.map((it) => it.edge.name);
      expect(new Set(seen).size).toBe(seen.length);
      if (rows === 'delete') expect(seen).toEqual(expect.arrayContaining(keys));
      else expect(seen).toEqual([]);
      for (const { edge, otherwise } of incoming) if (otherwise === 'detach') expect(`shop.${edge.from}` in manifest.tables).toBe(true);
    }
  });
});

test('equal inputs give an equal plan, in whatever order they are written', () => {
  fc.assert(
    fc.property(schemas, scopes, ({ catalog, manifest }, scope) => {
      const plan = planErasure('person', scope, catalog, manifest);
      const references = [...manifest.references].reverse();
      const tables = Object.fromEntries(
        Object.entries(catalog.tables).map(([name, it]) => [name, { ...it, foreignKeys: [...it.foreignKeys].reverse() }]),
      );
      const again = planErasure('person', turned(scope), turned({ ...catalog, tables }), turned({ ...manifest, references }));
      expect(canonicalHash(again)).toBe(canonicalHash(plan));
    }),
    RUNS,
  );
});
