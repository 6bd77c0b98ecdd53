import fc from 'fast-check';
import type { Catalog, CatalogTable, ForeignKey } from '../../domain/catalog.ts';
import { parseManifestText } from '../../manifest/load.ts';
import type { Manifest } from '../../manifest/model.ts';
import { catalog, key, table } from '../domain/check/catalogs.ts';

const PURPOSES = ['ads', 'books', 'news', 'sales'];

/** A schema of up to seven tables with whatever references, and a manifest that says something about most of them. */
export interface Schema {
  readonly catalog: Catalog;
  readonly manifest: Manifest;
}

interface Reference {
  readonly to: number;
  readonly how: 'key' | 'declared' | 'polymorphic' | 'address';
  readonly nullable: boolean;
  readonly deferrable: boolean;
  readonly enforced: boolean;
  /** Stands in the primary key. */
  readonly part: boolean;
  readonly as: 'owner' | 'mention' | 'both' | null;
}

/** What is declared of one column, as the manifest writes it. */
export interface Said {
  readonly category?: string;
  readonly identifying?: true;
  readonly special?: string;
  readonly purposes?: readonly string[];
  readonly on_erase?: null | 'generated' | 'keep' | { readonly constant: string };
  readonly because?: string;
}

interface Drawn {
  readonly references: readonly Reference[];
  readonly purposes: readonly string[];
  /** Null: the table is not classified. */
  readonly columns: readonly Said[] | null;
  readonly state: 'declared' | 'ignored' | 'undeclared';
}

const purposes = fc.subarray(PURPOSES);
const reference: fc.Arbitrary<Reference> = fc.record({
  to: fc.nat(),
  how: fc.constantFrom('key', 'key', 'key', 'declared', 'polymorphic', 'address'),
  nullable: fc.boolean(),
  deferrable: fc.nat(3).map((it) => it === 0),
  enforced: fc.nat(9).map((it) => it > 0),
  part: fc.nat(3).map((it) => it === 0),
  as: fc.constantFrom(null, null, 'owner', 'mention', 'both'),
});
const category = fc.constantFrom('other', 'time', 'technical', 'key', 'contact', 'free_text', 'behaviour', 'financial', 'swimming');
const rarely = <T>(value: fc.Arbitrary<T>) => fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const said: fc.Arbitrary<Said> = fc
  .record({
    category: fc.option(category, { nil: undefined }),
    purposes: fc.option(purposes, { nil: undefined }),
    identifying: rarely(fc.constant(true as const)),
    special: rarely(fc.constant('health')),
    on_erase: rarely(fc.constantFrom(null, 'generated', 'keep', { constant: 'gone' })),
  })
  .map((it): Said => JSON.parse(JSON.stringify({ ...it, because: 'so it was decided' })) as Said);
/** Of every table beside its keys and references. */
export const PLAIN = ['a', 'b', 'c', 'flag', 'made', 'seen', 'bill'] as const;
const drawn: fc.Arbitrary<Drawn> = fc.record({
  references: fc.array(reference, { maxLength: 3 }),
  purposes,
  columns: fc.option(fc.array(said, { minLength: PLAIN.length, maxLength: PLAIN.length })),
  state: fc.constantFrom('declared', 'declared', 'declared', 'declared', 'declared', 'ignored', 'undeclared'),
});

export const schemas: fc.Arbitrary<Schema> = fc
  .record({
    tables: fc.array(drawn, { minLength: 2, maxLength: 7 }),
    other: fc.boolean(),
    shared: fc.option(fc.record({ on_erase: fc.constantFrom('detach', 'delete', 'keep'), last_owner: fc.constantFrom('delete', 'keep') })),
  })
  .map(({ tables, other, shared }) => build(tables, other, shared));

export const scopes = fc.record({ ended: fc.option(purposes), remaining: purposes }).map(({ ended, remaining }) => ({
  ended,
  remaining: remaining
    .filter((it) => ended?.includes(it) !== true)
    .map((purpose) => ({ purpose, basis: 'contract' as const, article: 'Art. 6(1)(b)' })),
}));

/** Table t0 is the subject's own; with `other`, t1 another kind's; with `shared`, t2 is owned by the rows of t3. */
function build(tables: readonly Drawn[], other: boolean, shared: Record<string, string> | null): Schema {
  const target = ({ to }: Reference): string => `t${to % tables.length}`;
  const live = tables.map((it, at) => liveTable(it, at, tables.length, shared !== null && tables.length > 3));
  const references = tables.flatMap((it, at) =>
    it.references.flatMap((one, index) => {
      const from = `shop.public.t${at}.f${index}`;
      const as = one.as === null ? {} : { as: one.as };
      if (one.how === 'polymorphic') return [{ from, when: { kind: target(one) }, to: `shop.public.${target(one)}.id`, ...as }];
      if (one.how === 'address') return [{ from, to: 'person.email', ...as }];
      return one.how === 'declared' || one.as !== null ? [{ from, to: `shop.public.${target(one)}.id`, ...as }] : [];
    }),
  );
  const declared = tables.map((it, at) => [
    `shop.public.t${at}`,
    {
      purposes: it.purposes,
      ...(it.columns === null ? {} : { columns: classified(live[at]!, it.columns) }),
    },
  ]);
  // The subjects' own tables, and what is shared, are always declared.
  const known = (at: number): boolean => at < 4 || tables[at]!.state === 'declared';
  const text = {
    organisation: 'O',
    stores: { shop: { url: 'x' } },
    purposes: Object.fromEntries(PURPOSES.map((it) => [it, { basis: 'contract', while: 'wanted' }])),
    subjects: {
      person: { table: 'shop.public.t0', key: 'id', identities: { email: 'a' } },
      ...(other ? { agent: { table: 'shop.public.t1', key: 'id' } } : {}),
    },
    tables: Object.fromEntries(declared.filter((_, at) => known(at))) as unknown,
    ignore: Object.fromEntries(
      tables.flatMap(({ state }, at) => (!known(at) && state === 'ignored' ? [[`shop.public.t${at}`, 'so']] : [])),
    ),
    references,
    shared: shared !== null && tables.length > 3 ? [{ table: 'shop.public.t2', owners: 'shop.public.t3', ...shared }] : [],
  };
  const { manifest, problems } = parseManifestText(JSON.stringify(text));
  if (manifest === null) throw new Error(problems.map((it) => it.message).join('\n'));
  return { catalog: catalog(...live), manifest };
}

function liveTable(it: Drawn, at: number, count: number, shared: boolean): CatalogTable {
  const keys = it.references.flatMap((one, index): ForeignKey[] =>
    one.how === 'key'
      ? [key(`f${index}`, `t${one.to % count}`, { name: `t${at}_f${index}`, deferrable: one.deferrable, enforced: one.enforced })]
      : [],
  );
  const parts = it.references.flatMap((one, index) => (one.part ? [`f${index}`] : []));
  const notNull = (one: Reference): string => (one.nullable && !one.part ? '' : ' not null');
  const owns = shared && at === 3;
  return table(
    `t${at}`,
    [
      'kind text',
      'a text',
      'b text not null',
      'c text generated',
      'flag boolean not null',
      'made timestamptz not null',
      'seen timestamptz',
      'bill numeric not null',
      ...it.references.map((one, index) => `f${index} int8${notNull(one)}`),
      ...(owns ? ['of int8 not null', 'by int8 not null'] : []),
    ],
    {
      primaryKey: owns ? ['of', 'by'] : ['id', ...parts],
      foreignKeys: [...keys, ...(owns ? [key('of', 't2', { name: 't3_of' }), key('by', 't0', { name: 't3_by' })] : [])],
    },
  );
}

function classified(live: CatalogTable, columns: readonly Said[]): Record<string, unknown> {
  const own = new Map<string, Said>(PLAIN.map((name, at) => [name, columns[at]!]));
  return Object.fromEntries(live.columns.map(({ name }) => [name, own.get(name) ?? {}]));
}

/** The same value with the keys of its objects in another order. */
export function turned<T>(value: T): T {
  if (Array.isArray(value)) return value.map((it: unknown) => turned(it)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, it]) => [name, turned(it as unknown)]),
  ) as T;
}
