import type { Catalog } from '../../../domain/catalog.ts';
import type { ErasureWay, Mention, Owner, StoreErasure, TableErasure } from '../../../domain/requests/model.ts';
import { storeEdges, type Edge } from '../../../domain/retention/graph.ts';
import type { Manifest } from '../../../manifest/model.ts';
import { refColumns, SUBJECT, type Case, type Cell, type Table } from './case.ts';

export const ZONE = 'Europe/Berlin';
export const RULE = 'law';

/** The schema with its rows, all in one transaction: twins need each other. */
export function ddl(given: Case): string {
  const statements: string[] = ['drop schema public cascade', 'create schema public', 'begin'];
  for (const table of given.tables) {
    const references = table.refs.flatMap((ref) =>
      refColumns(ref, given.tables).map((column) => `${column} ${ref.polymorphic ? 'text' : 'int'}${ref.nullable ? '' : ' not null'}`),
    );
    const columns = [
      'a int not null',
      ...(table.composite ? ['b int not null'] : []),
      'grp int not null',
      'at timestamptz',
      ...(table.who ? ['who text'] : []),
      'note varchar(30)',
      `code varchar(60) not null${table.partitioned ? '' : ' unique'}`,
      'score int not null check (score between 1 and 5)',
      `doc ${table.name === 't2' ? 'json' : 'jsonb'}`,
      ...(table.mail || table.name === SUBJECT ? ['mail text'] : []),
      ...references,
      ...(table.partitioned ? [] : [`primary key (a${table.composite ? ', b' : ''})`]),
      `check (note is null or length(code) > 0)`,
    ];
    statements.push(`create table ${table.name} (${columns.join(', ')})${table.partitioned ? ' partition by hash (a)' : ''}`);
    if (table.partitioned)
      for (const part of [0, 1])
        statements.push(`create table ${table.name}_p${part} partition of ${table.name} for values with (modulus 2, remainder ${part})`);
    for (const row of given.data[table.name]!) {
      const cells = Object.entries(row).filter(
        ([name]) => name !== 'age' && (name !== 'b' || table.composite) && (name !== 'who' || table.who),
      );
      const at = row['age'] === null ? 'null' : `now() - interval '${row['age'] as number} days'`;
      statements.push(
        `insert into ${table.name} (${['at', ...cells.map(([name]) => name)].join(', ')}) values (${[at, ...cells.map(([, cell]) => literal(cell))].join(', ')})`,
      );
    }
  }
  for (const table of given.tables) {
    for (const ref of table.refs) {
      if (ref.polymorphic) continue;
      const columns = refColumns(ref, given.tables).join(', ');
      const deferred = ref.deferred && ref.onDelete !== 'restrict' ? ' deferrable initially deferred' : '';
      statements.push(
        `alter table ${table.name} add constraint ${table.name}_${ref.name} foreign key (${columns}) references ${ref.to} on delete ${ref.onDelete}${deferred}`,
      );
    }
  }
  return [...statements, 'commit'].join(';\n');
}

function literal(cell: Cell): string {
  if (cell === null) return 'null';
  if (typeof cell === 'number') return String(cell);
  return `'${typeof cell === 'string' ? cell : JSON.stringify(cell)}'`;
}

export function keyColumns(table: Table): string[] {
  return table.composite ? ['a', 'b'] : ['a'];
}

/** The manifest of a case, of which the executor reads subjects, references, floors and the zone. */
export function manifestOf(given: Case, base: Manifest): Manifest {
  const person = given.tables[0]!;
  const references = given.tables.flatMap((table) =>
    table.refs.map((ref): Manifest['references'][number] => ({
      from: `shop.public.${table.name}.${ref.name}_${ref.polymorphic ? 'id' : 'a'}`,
      when: ref.polymorphic ? { [`${ref.name}_type`]: ref.to } : {},
      to: ref.to === SUBJECT ? SUBJECT : `shop.public.${ref.to}.a`,
      as: ref.as,
      with: [],
    })),
  );
  const some = Object.values(base.tables)[0]!;
  const tables = Object.fromEntries(given.tables.map((table) => [`shop.public.${table.name}`, { ...some, floor: floorOf(table) }]));
  const subjects = { [SUBJECT]: { table: `shop.public.${SUBJECT}`, key: keyColumns(person), identities: { email: 'mail' }, birth: null } };
  return { ...base, timezone: ZONE, subjects, references, tables };
}

function floorOf(table: Table): TableErasure['floor'] {
  return table.floor === null
    ? null
    : { keep: `P${table.floor.years}Y`, after: 'at', from: table.floor.endOfYear ? 'end_of_year' : null, rule: RULE };
}

/** A plan of an erasure as a planner might make it: ways of up to two hops, everything that references a row that goes. */
export function erasureOf(given: Case, catalog: Catalog, manifest: Manifest): StoreErasure {
  const edges = storeEdges(catalog, manifest);
  const planned = given.tables
    .filter((table) => waysOf(table, given, edges).length + mentionsOf(table, given, edges).length > 0 || table.json !== null)
    .map((table) => table.name);
  const ordered = order(planned, edges);
  return {
    store: 'shop',
    subject: SUBJECT,
    remaining: [],
    problems: [],
    tables: ordered.map((name): TableErasure => {
      const table = given.tables.find((one) => one.name === name)!;
      const incoming = edges.filter((edge) => edge.to === `public.${name}`);
      return {
        table: `public.${name}`,
        ways: waysOf(table, given, edges),
        rows: waysOf(table, given, edges).length === 0 ? 'keep' : table.rows,
        masks: table.rows === 'keep' ? [] : table.masks,
        masksWhenPinned: table.rows === 'delete' ? table.pinned : [],
        wanted: {},
        spared: [],
        json: table.json === null ? [] : JSON_PATHS.map((path) => ({ column: 'doc', path, identity: 'email', onErase: table.json! })),
        keptBy: [],
        floor: floorOf(table),
        incoming:
          table.rows === 'delete' && waysOf(table, given, edges).length > 0
            ? incoming.map((edge) => ({ edge, otherwise: refOf(edge, given).otherwise }))
            : [],
        shared:
          table.shared === null
            ? null
            : {
                owners: edges.find((edge) => edge.from === 'public.member' && edge.to === 'public.household')!,
                onErase: table.shared.onErase,
                lastOwner: table.shared.lastOwner,
              },
        owners: ownersOf(table, given),
        mentions: mentionsOf(table, given, edges),
      };
    }),
  };
}

export const JSON_PATHS = ['$.contact.email', '$.items[*].email'];

function refOf(edge: Edge, given: Case): Table['refs'][number] {
  const from = given.tables.find((table) => `public.${table.name}` === edge.from)!;
  const [column = ''] = edge.columns;
  return from.refs.find((ref) => column === `${ref.name}_a` || column === `${ref.name}_id`)!;
}

const PLAIN = { shared: null, together: [] } as const;

function waysOf(table: Table, given: Case, edges: readonly Edge[]): ErasureWay[] {
  const key = keyColumns(given.tables[0]!);
  if (table.name === SUBJECT) return [{ steps: [], columns: key, identity: 'key', asText: false, ...PLAIN }];
  const owned = (edge: Edge): boolean => refOf(edge, given).as !== 'mention';
  const out = edges.filter((edge) => edge.from === `public.${table.name}` && edge.to !== edge.from && owned(edge));
  const together = (from: string, hop: number): ErasureWay['together'] => {
    const of = given.tables.find((it) => `public.${it.name}` === from)!;
    const owners = ownersOf(of, given);
    return owners.length === 0 ? [] : [{ hop, owners }];
  };
  const direct = out
    .filter((edge) => edge.to === `public.${SUBJECT}`)
    .map((edge) => ({ ...arriving([], edge, key), together: together(edge.from, 0) }));
  const second = out
    .filter((edge) => edge.to !== `public.${SUBJECT}` && !edge.to.endsWith('household'))
    .flatMap((edge) =>
      edges
        .filter((next) => next.from === edge.to && next.to === `public.${SUBJECT}` && owned(next))
        .map((next) => ({ ...arriving([edge], next, key), together: [...together(edge.from, 0), ...together(next.from, 1)] })),
    );
  const mail: ErasureWay[] = table.mail && table.mailAs !== 'mention' ? [{ ...MAIL, together: together(`public.${table.name}`, 0) }] : [];
  if (table.shared === null && table.name !== 'hung') return [...direct, ...mail, ...second];
  const owners = edges.find((edge) => edge.from === 'public.member' && edge.to === 'public.household')!;
  const toPerson = edges.find((edge) => edge.from === 'public.member' && edge.to === `public.${SUBJECT}`)!;
  const turned: Edge = {
    ...owners,
    from: owners.to,
    columns: owners.toColumns,
    to: owners.from,
    toColumns: owners.columns,
    foreignKey: null,
  };
  if (table.name === 'hung') return [{ ...arriving([out[0]!, turned], toPerson, key), shared: { hop: 1, owners } }];
  return [arriving([turned], toPerson, key)];
}

const MAIL = { steps: [], columns: ['mail'], identity: 'email', asText: false, ...PLAIN };

function personRefs(table: Table): Table['refs'] {
  return table.name === SUBJECT ? [] : table.refs.filter((ref) => ref.to === SUBJECT);
}

function ownersOf(table: Table, given: Case): Owner[] {
  const refs = personRefs(table).map((ref) => ({ as: ref.as, owner: ownerOf(ref, given) }));
  const mail = table.mail ? [{ as: table.mailAs, owner: { subject: SUBJECT, ...MAIL, when: {}, purposes: [] } }] : [];
  const all = [...refs, ...mail];
  return all.some(({ as }) => as === 'both') ? all.filter(({ as }) => as !== 'mention').map(({ owner }) => owner) : [];
}

function ownerOf(ref: Table['refs'][number], given: Case): Owner {
  if (!ref.polymorphic)
    return { subject: SUBJECT, columns: refColumns(ref, given.tables), identity: 'key', asText: false, when: {}, purposes: [] };
  return {
    subject: SUBJECT,
    columns: [`${ref.name}_id`],
    identity: 'key',
    asText: true,
    when: { [`${ref.name}_type`]: SUBJECT },
    purposes: [],
  };
}

/** Addresses are cut; the printed name goes along with the first reference that does not say whose the row alone is. */
function mentionsOf(table: Table, given: Case, edges: readonly Edge[]): Mention[] {
  const key = keyColumns(given.tables[0]!);
  const refs = personRefs(table).map((ref) => {
    const edge = edges.find((it) => it.from === `public.${table.name}` && refOf(it, given) === ref)!;
    return { as: ref.as, way: arriving([], edge, key), columns: [] as string[] };
  });
  const mail = table.mail ? [{ as: table.mailAs, way: { ...MAIL } as ErasureWay, columns: ['mail'] }] : [];
  const some = [...refs, ...mail].filter(({ as }) => as !== 'owner');
  return some
    .map(({ way, columns }, at) => ({ way, columns: [...columns, ...(at === 0 && table.who ? ['who'] : [])] }))
    .filter(({ columns }) => columns.length > 0);
}

/** A foreign key carries the subject's key itself; of a polymorphic reference the kind must be looked at. */
function arriving(steps: readonly Edge[], edge: Edge, key: readonly string[]): ErasureWay {
  if (edge.foreignKey !== null) return { steps, columns: edge.columns, identity: 'key', asText: false, ...PLAIN };
  return { steps: [...steps, edge], columns: key, identity: 'key', asText: false, ...PLAIN };
}

/** Children first; a cycle begins anywhere. */
function order(names: readonly string[], edges: readonly Edge[]): string[] {
  const done: string[] = [];
  const open = new Set<string>();
  const visit = (name: string): void => {
    if (open.has(name)) return;
    open.add(name);
    for (const edge of edges) if (edge.to === `public.${name}` && names.includes(edge.from.slice(7))) visit(edge.from.slice(7));
    done.push(name);
  };
  for (const name of names) visit(name);
  return done;
}
