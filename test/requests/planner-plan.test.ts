import { describe, expect, test } from 'vitest';
import type { CatalogTable } from '../../domain/catalog.ts';
import { planErasure } from '../../domain/requests/erasure.ts';
import type { ErasureScope, RemainingPurpose, StoreErasure } from '../../domain/requests/model.ts';
import { parseManifestText } from '../../manifest/load.ts';
import type { Manifest, TableDeclaration } from '../../manifest/model.ts';
import { catalog, key, table } from '../domain/check/catalogs.ts';
import { incomingOf, outcomeText, tableOf, wayText, waysOf } from './planner-text.ts';

const BEGIN = `organisation: O
stores: { shop: { url: x, home: true }, desk: { url: y } }
purposes:
  ads: { basis: consent }
  news: { basis: consent }
  books: { basis: legal_obligation }
`;
const PERSON = 'subjects: { person: { table: shop.public.person, key: id, identities: { email: mail } } }\n';
const BOOKS: RemainingPurpose = { purpose: 'books', basis: 'legal_obligation', article: 'Art. 17(3)(b)' };
const NEWS: RemainingPurpose = { purpose: 'news', basis: 'consent', article: 'Art. 6(1)(a)' };
/** All but what the law makes us keep. */
const WHOLE: ErasureScope = { ended: null, remaining: [BOOKS] };
const WITHDRAWN: ErasureScope = { ended: ['ads'], remaining: [BOOKS, NEWS] };

const person = table('person', ['mail text', 'name text']);
const owned = (name: string, columns: readonly string[] = [], more: Partial<CatalogTable> = {}): CatalogTable =>
  table(name, ['person_id int8 not null', ...columns], { ...more, foreignKeys: [key('person_id', 'person'), ...(more.foreignKeys ?? [])] });

function manifestOf(text: string): Manifest {
  const loaded = parseManifestText(BEGIN + text);
  expect(loaded.problems.filter((it) => it.severity === 'error')).toEqual([]);
  return loaded.manifest!;
}

/** Declares every table for `ads` unless the text does otherwise. */
function plan(text: string, tables: readonly CatalogTable[], scope: ErasureScope = WHOLE): StoreErasure {
  const said = manifestOf(text.includes('subjects:') ? text : PERSON + text);
  const rest = tables
    .filter(({ schema, name, partitionOf }) => partitionOf === null && !(`shop.${schema}.${name}` in { ...said.tables, ...said.ignored }))
    .map(({ schema, name }): [string, TableDeclaration] => [`shop.${schema}.${name}`, declared]);
  return planErasure('person', scope, catalog(...tables), { ...said, tables: { ...said.tables, ...Object.fromEntries(rest) } });
}
const declared = manifestOf('tables: { shop.public.t: { purposes: [ads] } }').tables['shop.public.t']!;

describe('whose a row is', () => {
  const address = owned('address');

  test('of whom it names; what it else references does not make it theirs', () => {
    const order = owned('order', ['address_id int8'], { foreignKeys: [key('address_id', 'address')] });
    const gift = plan('', [person, address, order]);
    expect(waysOf(gift, 'order')).toEqual(['person_id=key']);
    expect(incomingOf(gift, 'address')).toEqual(['order.address_id: detach']);
  });

  test('a row of nobody known is not of whom its references lead to', () => {
    const order = table('order', ['person_id int8', 'address_id int8'], {
      foreignKeys: [key('person_id', 'person'), key('address_id', 'address')],
    });
    expect(waysOf(plan('', [person, address, order]), 'order')).toEqual(['person_id=key']);
    const line = table('line', ['order_id int8'], { foreignKeys: [key('order_id', 'order')] });
    expect(waysOf(plan('', [person, address, order, line]), 'line')).toEqual(['order > person_id=key']);
    const declared = 'references: [{ from: shop.public.order.address_id, to: shop.public.address.id, as: owner }]';
    expect(waysOf(plan(declared, [person, address, order]), 'order')).toEqual(['address > person_id=key']);
  });

  test('where nothing says whose a row is, nothing is planned until somebody does', () => {
    const grant = (more: Partial<CatalogTable> = {}): CatalogTable => {
      const to = (column: string) => key(column, 'person', { name: `grant_${column}` });
      return table('grant', ['person_id int8', 'granted_by int8'], { foreignKeys: [to('person_id'), to('granted_by')], ...more });
    };
    const said = (as: string): string => `references: [{ from: shop.public.grant.granted_by, to: person, as: ${as} }]`;
    expect(plan('', [person, grant()]).problems.map((it) => it.message)).toEqual([
      '`shop.public.grant` refers by `granted_by`, `person_id` to people, and nothing says which of them its rows are about (it has several references to people); a request of person waits for that: say `as: owner`, `mention` or `both` of each under `references`',
    ]);
    for (const planned of [plan(said('mention'), [person, grant()]), plan('', [person, grant({ primaryKey: ['person_id', 'id'] })])]) {
      expect(planned.problems).toEqual([]);
      expect(waysOf(planned, 'grant')).toEqual(['person_id=key']);
      expect(incomingOf(planned, 'person')).toEqual(['grant.granted_by: detach', 'grant.person_id: detach']);
    }
  });

  describe('of a table that stays whoever goes', () => {
    const text = `references: [{ from: shop.public.log.person_id, to: person, with: [who] }]
tables: { shop.public.log: { stays: { basis: legitimate_interests, because: who did what }, columns: { id: key, person_id: key, order_id: key, who: contact } } }`;
    const log = (nullable: string): CatalogTable =>
      table('log', [`person_id int8${nullable}`, `order_id int8${nullable}`, 'who text'], {
        primaryKey: ['person_id', 'id'],
        foreignKeys: [key('person_id', 'person'), key('order_id', 'order')],
      });
    const tables = (nullable = ''): CatalogTable[] => [person, owned('order'), log(nullable), owned('line', ['log_id int8'])];

    test('no row goes; the reference is cut, and what is named with it', () => {
      const planned = plan(text, tables());
      expect(planned.problems).toEqual([]);
      expect(tableOf(planned, 'log')).toMatchObject({ ways: [], rows: 'keep', masks: [], masksWhenPinned: [], incoming: [] });
      expect(tableOf(planned, 'log').mentions.map((it) => [wayText(it.way), it.columns])).toEqual([['person_id=key', ['who']]]);
      expect(incomingOf(planned, 'order')).toEqual(['log.order_id: detach']);
      expect(planned.staying).toEqual([{ table: 'public.log', basis: 'legitimate_interests', because: 'who did what' }]);
    });

    test('what it must refer to stays, masked', () => {
      const planned = plan(text, tables(' not null'));
      expect(incomingOf(planned, 'order')).toEqual(['log.order_id: pin']);
      expect(incomingOf(planned, 'person')).toContain('log.person_id: pin');
      expect(tableOf(planned, 'person').masksWhenPinned).toEqual(['mail', 'name']);
    });

    test('the word rescues nothing from a request that came before it', () => {
      const loose = table('log', ['person_id int8', 'who text'], { foreignKeys: [key('person_id', 'person')] });
      const now = manifestOf(PERSON + text.replace('order_id: key, ', ''));
      const before = manifestOf(`${PERSON}tables: { shop.public.log: { columns: { id: key, person_id: key, who: contact } } }`);
      const of = (then?: Manifest) => planErasure('person', WHOLE, catalog(person, loose), now, then);
      expect(outcomeText(of())).toContain('log keep');
      expect(outcomeText(of(before))).toContain('log delete');
      expect(of(before).staying).toBeUndefined();
    });
  });

  test('what a row only mentions goes with the reference: an address, and the columns that are named with it', () => {
    const text = `${PERSON}references:
  - { from: shop.public.order.seller, to: person, as: mention, with: [seller_name] }
  - { from: shop.public.order.referred_by, to: person.email, as: mention }
tables: { shop.public.order: { purposes: [ads], columns: { id: key, person_id: key, seller: key, seller_name: contact, referred_by: contact } } }`;
    const order = table('order', ['person_id int8', 'seller int8', 'seller_name text', 'referred_by text'], {
      foreignKeys: [key('person_id', 'person'), key('seller', 'person')],
    });
    const planned = plan(text, [person, order]);
    expect(waysOf(planned, 'order')).toEqual(['person_id=key']);
    expect(tableOf(planned, 'order').mentions.map(({ way, columns }) => [wayText(way), ...columns])).toEqual([
      ['referred_by=email', 'referred_by'],
      ['seller=key', 'seller_name'],
    ]);
    expect(planned.problems).toEqual([]);
  });

  test('a row of several people is each one’s, and what hangs on it is the last one’s', () => {
    const text = `${PERSON}references:
  - { from: shop.public.message.sender, to: person, as: both }
  - { from: shop.public.message.receiver, to: person, as: both }`;
    const message = table('message', ['sender int8', 'receiver int8'], {
      foreignKeys: [key('sender', 'person', { name: 's' }), key('receiver', 'person', { name: 'r' })],
    });
    const file = table('file', ['message_id int8 not null'], { foreignKeys: [key('message_id', 'message')] });
    const planned = plan(text, [person, message, file]);
    expect(waysOf(planned, 'message')).toEqual(['receiver=key if 0 has no other owner', 'sender=key if 0 has no other owner']);
    expect(waysOf(planned, 'file')).toEqual([
      'message > receiver=key if 1 has no other owner',
      'message > sender=key if 1 has no other owner',
    ]);
    expect(tableOf(planned, 'message').owners.map(({ columns }) => columns.join())).toEqual(['receiver', 'sender']);
    expect(planned.problems).toEqual([]);
  });

  test('what hangs on a row of several people stays with it, by whichever reference the row is reached', () => {
    const text = `${PERSON}references:
  - { from: shop.public.message.sender, to: person, as: owner }
  - { from: shop.public.message.receiver, to: person, as: both }`;
    const message = table('message', ['sender int8', 'receiver int8'], {
      foreignKeys: [key('sender', 'person', { name: 's' }), key('receiver', 'person', { name: 'r' })],
    });
    const file = table('file', ['message_id int8 not null'], { foreignKeys: [key('message_id', 'message')] });
    expect(waysOf(plan(text, [person, message, file]), 'file')).toEqual([
      'message > receiver=key if 1 has no other owner',
      'message > sender=key if 1 has no other owner',
    ]);
    const answers = `${PERSON}references:
  - { from: shop.public.answer.thread_id, to: shop.public.thread.id, as: owner }
  - { from: shop.public.answer.author, to: person, as: both }`;
    const answer = table('answer', ['thread_id int8', 'author int8'], {
      foreignKeys: [key('thread_id', 'thread'), key('author', 'person')],
    });
    const photo = table('photo', ['answer_id int8 not null'], { foreignKeys: [key('answer_id', 'answer')] });
    expect(waysOf(plan(answers, [person, owned('thread'), answer, photo]), 'photo')).toEqual([
      'answer > author=key if 1 has no other owner',
      'answer > thread > person_id=key if 1 has no other owner',
    ]);
  });

  test('what hangs on a row of which nobody said whose it is waits for that, also where the row itself is left alone', () => {
    const to = (column: string) => key(column, 'person', { name: `grant_${column}` });
    const grant = table('grant', ['person_id int8', 'granted_by int8'], { foreignKeys: [to('person_id'), to('granted_by')] });
    const detail = table('detail', ['grant_id int8 not null'], { foreignKeys: [key('grant_id', 'grant')] });
    const ignored = `${PERSON}ignore: { shop.public.grant: Rights }\n`;
    expect(plan(ignored, [person, grant, detail]).problems.map(({ code, table }) => `${code} ${table}`)).toEqual([
      'unclear shop.public.grant',
    ]);
    const said = plan(`${ignored}references: [{ from: shop.public.grant.granted_by, to: person, as: mention }]`, [person, grant, detail]);
    expect(said.problems).toEqual([]);
    expect(waysOf(said, 'detail')).toEqual(['grant > person_id=key']);
  });

  test('a reference is not cut by a column that says whose the row is: it pins', () => {
    const text = `subjects: { person: { table: shop.public.person, key: [site, id] } }
references: [{ from: shop.public.grant.granted_by, to: shop.public.person.id, as: mention }, { from: shop.public.grant.owner, to: shop.public.person.id, as: owner }]`;
    const home = table('person', ['site int8 not null'], { primaryKey: ['site', 'id'], uniques: [['site', 'id']] });
    const by = (column: string) => key(`site,${column}`, 'person', { name: column, referencedColumns: ['site', 'id'] });
    const grant = (nullable: string) =>
      table('grant', ['site int8', `owner int8 not null`, `granted_by int8${nullable}`], { foreignKeys: [by('owner'), by('granted_by')] });
    expect(incomingOf(plan(text, [home, grant(' not null')]), 'person')).toEqual(['grant.site+granted_by: pin', 'grant.site+owner: pin']);
    expect(incomingOf(plan(text, [home, grant('')]), 'person')).toEqual(['grant.site+granted_by: detach', 'grant.site+owner: pin']);
  });

  test('a part that names somebody itself is whose the manifest says; a key that joins two people’s things makes no part', () => {
    const message = owned('message', ['ticket_id int8 not null'], {
      primaryKey: ['ticket_id', 'id'],
      foreignKeys: [key('ticket_id', 'ticket')],
    });
    const silent = plan('', [person, owned('ticket'), message]);
    expect(silent.problems.map(({ code, table }) => `${code} ${table}`)).toEqual(['unclear shop.public.message']);
    const said = (as: string): string => `references: [{ from: shop.public.message.person_id, to: person, as: ${as} }]`;
    expect(waysOf(plan(said('owner'), [person, owned('ticket'), message]), 'message')).toEqual(['person_id=key']);
    expect(waysOf(plan(said('mention'), [person, owned('ticket'), message]), 'message')).toEqual(['ticket > person_id=key']);
    const wish = { ...message, name: 'wish', primaryKey: ['ticket_id', 'person_id'] };
    expect(waysOf(plan('', [person, owned('ticket'), wish]), 'wish')).toEqual(['person_id=key']);
  });

  test('a part of one thing that mentions another is not the other’s', () => {
    const parcel = table('parcel', ['order_id int8 not null', 'address_id int8 not null'], {
      primaryKey: ['order_id', 'id'],
      foreignKeys: [key('order_id', 'order'), key('address_id', 'address')],
    });
    expect(waysOf(plan('', [person, address, owned('order'), parcel]), 'parcel')).toEqual(['order > person_id=key']);
  });

  test('a subject’s own row is its own, whatever it references, and so is another kind’s', () => {
    const both = 'subjects: { person: { table: shop.public.person, key: id }, agent: { table: shop.public.agent, key: id } }\n';
    const self = table('person', ['friend int8'], { foreignKeys: [key('friend', 'person')] });
    const shift = table('shift', ['agent_id int8'], { foreignKeys: [key('agent_id', 'agent')] });
    const planned = plan(both, [self, owned('agent'), shift]);
    expect(planned.tables.map((it) => it.table)).toEqual(['public.person']);
    expect(waysOf(planned, 'person')).toEqual(['id=key']);
    expect(incomingOf(planned, 'person')).toEqual(['agent.person_id: pin', 'person.friend: detach']);
    expect(planned.problems).toEqual([]);
  });

  test('by an address, in this store and from another; polymorphic pairs by what their text says', () => {
    const text = `${PERSON}references:
  - { from: shop.public.mailing.recipient, to: person.email, as: owner }
  - { from: shop.public.note.about, when: { kind: person }, to: person }
  - { from: shop.public.note.about, when: { kind: order }, to: shop.public.order.id }
  - { from: desk.public.ticket.mail, to: person.email, as: owner }
  - { from: desk.public.ticket.ref, to: person, as: owner }
  - { from: desk.public.log.ref, when: { kind: person }, to: person }
tables: { desk.public.ticket: { purposes: [ads] }, desk.public.log: { purposes: [ads] } }`;
    const mailing = table('mailing', ['recipient text not null']);
    const note = table('note', ['about text', 'kind text']);
    const planned = plan(text, [person, mailing, note, owned('order')]);
    expect(waysOf(planned, 'mailing')).toEqual(['recipient=email']);
    expect(waysOf(planned, 'note')).toEqual(['order when kind=order > person_id=key', 'person when kind=person > id=key']);
    expect(tableOf(planned, 'note').ways[1]!.steps[0]!.asText).toBe(true);
    // Addresses are masked, and keep no row; who is meant by a pair is not forgotten.
    expect(tableOf(planned, 'mailing').masksWhenPinned).toEqual(['recipient']);
    expect(tableOf(planned, 'note').masksWhenPinned).toEqual([]);
    expect(incomingOf(planned, 'person')).toEqual(['note.about: detach', 'order.person_id: pin']);

    const desk = { ...catalog(table('ticket', ['mail text', 'ref int8']), table('log', ['ref int8', 'kind text'])), store: 'desk' };
    const there = planErasure('person', WHOLE, desk, manifestOf(text));
    expect(there.tables.map((it) => [it.table, ...it.ways.map(wayText)])).toEqual([['public.ticket', 'mail=email', 'ref=key']]);
    expect(there.problems.map((it) => `${it.code} ${it.table}`)).toEqual(['not_reached desk.public.log']);
  });

  test('composite keys, and a reference that carries only a part of one', () => {
    const text = 'subjects: { person: { table: shop.public.person, key: [site, id] } }\n';
    const home = table('person', ['site int8 not null', 'code text not null'], {
      primaryKey: ['site', 'id'],
      uniques: [['site', 'id'], ['code']],
    });
    const visit = table('visit', ['p int8', 's int8'], {
      foreignKeys: [key('p,s', 'person', { referencedColumns: ['id', 'site'] })],
    });
    const badge = table('badge', ['code text not null'], { foreignKeys: [key('code', 'person', { referencedColumns: ['code'] })] });
    const planned = plan(text, [home, visit, badge]);
    expect(waysOf(planned, 'visit')).toEqual(['s+p=key']);
    expect(waysOf(planned, 'badge')).toEqual(['person > site+id=key']);
    expect(tableOf(planned, 'person').masksWhenPinned).toEqual([]);
  });

  test('a reference to what is not unique is refused, but for an identity, and for what people share', () => {
    const shopper = table('person', ['mail text', 'house text']);
    const visit = table('visit', ['house text', 'mail text']);
    const text = (references: string): string => `${PERSON}references: [${references}]\n`;
    const house = '{ from: shop.public.visit.house, to: shop.public.person.house }';
    const codes = (manifest: string, person: CatalogTable) => plan(manifest, [person, visit]).problems.map(({ code }) => code);
    expect(codes(text(house), shopper)).toEqual(['not_unique']);
    expect(codes(text(house), { ...shopper, uniques: [['id'], ['house']] })).toEqual([]);
    expect(codes(text('{ from: shop.public.visit.mail, to: person.email }'), shopper)).toEqual([]);
    const turned = text('{ from: shop.public.person.house, to: shop.public.visit.house }');
    expect(codes(`${turned}shared: [{ table: shop.public.visit, owners: shop.public.person }]\n`, shopper)).toEqual([]);
  });

  test('what is further away than is followed is said', () => {
    const chain = Array.from({ length: 8 }, (_, index) =>
      table(`t${index}`, ['up int8'], { foreignKeys: [key('up', index === 0 ? 'person' : `t${index - 1}`)] }),
    );
    const planned = plan('', [person, ...chain]);
    expect(planned.tables.map((it) => it.table.slice(7))).toEqual(['t6', 't5', 't4', 't3', 't2', 't1', 't0', 'person']);
    expect(planned.problems).toEqual([
      {
        code: 'not_reached',
        table: 'shop.public.t7',
        message: expect.stringContaining('add a reference from `public.t7` to person under `references`') as unknown,
      },
    ]);
    expect(incomingOf(planned, 't6')).toEqual(['t7.up: detach']);
  });

  test('partitions are planned as their parent, and views, ignored and foreign tables not at all', () => {
    const visit = owned('visit', ['at timestamptz not null'], { kind: 'partitioned', primaryKey: ['at', 'id'] });
    const part = owned('visit_1', ['at timestamptz not null'], { partitionOf: 'public.visit', foreignKeys: [] });
    // Nobody has said that its references may be cut.
    const staff = table('staff', ['person_id int8'], { foreignKeys: [key('person_id', 'person')] });
    const others = [owned('v', [], { kind: 'view' }), owned('f', [], { kind: 'foreign' }), staff];
    const planned = plan('ignore: { shop.public.staff: ours }', [person, visit, part, ...others]);
    expect(planned.tables.map((it) => it.table)).toEqual(['public.visit', 'public.person']);
    expect(incomingOf(planned, 'person').filter((it) => it.startsWith('v'))).toContain('visit.person_id: pin');
    expect(incomingOf(planned, 'person')).toContain('staff.person_id: pin');
  });

  test('an undeclared table about people is said', () => {
    const said = manifestOf(PERSON);
    const planned = planErasure('person', WHOLE, catalog(person, owned('visit')), { ...said, tables: { 'shop.public.person': declared } });
    expect(planned.tables.map((it) => it.table)).toEqual(['public.person']);
    expect(planned.problems.map((it) => `${it.code} ${it.table}`)).toEqual(['unclassified shop.public.visit']);
    expect(incomingOf(planned, 'person')).toEqual(['visit.person_id: pin']);
  });
});

describe('what people share', () => {
  const household = table('household', ['label text']);
  const member = table('member', ['household_id int8 not null', 'person_id int8 not null'], {
    primaryKey: ['household_id', 'person_id'],
    foreignKeys: [key('household_id', 'household'), key('person_id', 'person')],
  });
  const card = table('card', ['household_id int8 not null'], { foreignKeys: [key('household_id', 'household')] });
  const shared = (more = ''): string => `shared: [{ table: shop.public.household, owners: shop.public.member${more} }]`;
  const tables = [person, household, member, card];

  test('a membership is its member’s, the household is judged by its owners, and what hangs on it goes with it', () => {
    const planned = plan(shared(), tables);
    expect(waysOf(planned, 'member')).toEqual(['person_id=key']);
    expect(waysOf(planned, 'household')).toEqual(['member > person_id=key']);
    expect(tableOf(planned, 'household').shared).toMatchObject({
      owners: { from: 'public.member' },
      onErase: 'detach',
      lastOwner: 'delete',
    });
    expect(waysOf(planned, 'card')).toEqual(['household > member > person_id=key if shared 1:household has no other owner']);
    expect(planned.tables.map((it) => it.table.slice(7))).toEqual(['card', 'member', 'person', 'household']);
    expect(planned.problems).toEqual([]);
  });

  test('other members are not those of whoever heads the household', () => {
    const headed = table('household', ['head_id int8'], { foreignKeys: [key('head_id', 'person')] });
    const numbered = { ...member, primaryKey: ['household_id', 'id'] };
    const planned = plan(shared(), [person, headed, numbered]);
    expect(waysOf(planned, 'member')).toEqual(['person_id=key']);
    expect(waysOf(planned, 'household')).toEqual(['member > person_id=key']);
  });

  test('what is deleted with its first owner takes the rest along; what is kept keeps it', () => {
    expect(waysOf(plan(shared(', on_erase: delete'), tables), 'card')).toEqual(['household > member > person_id=key']);
    for (const keep of [', on_erase: keep', ', last_owner: keep']) {
      const planned = plan(shared(keep), tables);
      expect(planned.tables.map((it) => it.table.slice(7))).toEqual(['member', 'person', 'household']);
      expect(planned.problems).toEqual([]);
    }
  });
});

describe('what happens to rows and columns', () => {
  const order = owned('order', ['note text', 'total numeric', 'twice numeric generated', 'at timestamptz']);
  const columns = (more: string): string =>
    `tables: { shop.public.order: { purposes: [ads], columns: { id: key, person_id: key, note: text, total: money, twice: money, at: time }, ${more} } }`;

  test('nothing keeps it: the row goes, and a row that others need is masked but for keys, times and what is generated', () => {
    const planned = plan(columns('retention: { keep: P1Y, after: at }'), [person, order]);
    expect(outcomeText(planned)).toEqual(['order delete', 'person delete']);
    expect(tableOf(planned, 'order').masksWhenPinned).toEqual(['note', 'total']);
    expect(tableOf(planned, 'order').keptBy).toEqual([]);
  });

  test('a purpose of one column keeps the row, and the others are masked', () => {
    const planned = plan(columns('').replace('total: money', 'total: { purposes: [books] }'), [person, order]);
    expect(outcomeText(planned)).toEqual(['order mask note', 'person delete']);
    expect(tableOf(planned, 'order')).toMatchObject({ keptBy: [BOOKS], masksWhenPinned: [], incoming: [], floor: null });
    expect(incomingOf(planned, 'person')).toEqual(['order.person_id: pin']);
  });

  test('where a floor says how long the law keeps a row, nothing is kept for the law beyond it', () => {
    const planned = plan(columns('floor: { keep: P8Y, after: at, rule: r }').replace('total: money', 'total: { purposes: [books] }'), [
      person,
      order,
    ]);
    expect(outcomeText(planned)).toEqual(['order delete', 'person delete']);
    expect(tableOf(planned, 'order')).toMatchObject({ keptBy: [], floor: { keep: 'P8Y' } });
  });

  test('a table that is not classified serves as a whole', () => {
    expect(outcomeText(plan('tables: { shop.public.order: { purposes: [ads, books] } }', [person, order]))).toEqual([
      'order keep',
      'person delete',
    ]);
  });

  test('a withdrawal takes only what that consent alone justified', () => {
    const text = `tables:
  shop.public.person: { purposes: [books], columns: { id: key, mail: { purposes: [ads, news] }, name: { purposes: [ads] } } }
  shop.public.visit: { purposes: [ads] }
  shop.public.click: { purposes: [ads, old] }
  shop.public.survey: { purposes: [old] }
  shop.public.mixed: { purposes: [ads], columns: { id: key, person_id: key, a: x, b: { purposes: [old] }, c: { purposes: [] } } }
`;
    const mixed = owned('mixed', ['a text', 'b text', 'c text']);
    const tables = [person, owned('visit'), owned('click'), owned('survey'), mixed];
    const withOld = `subjects: { person: { table: shop.public.person, key: id } }\n${text}`.replace(
      'subjects',
      '  old: { basis: consent }\nsubjects',
    );
    const planned = plan(withOld, tables, WITHDRAWN);
    // `old` is not in force: it keeps nothing that `ads` used, and what was not used for `ads` is not this request's business.
    expect(outcomeText(planned).sort()).toEqual(['click delete', 'mixed mask a', 'person mask name', 'survey keep', 'visit delete']);
    expect(tableOf(planned, 'survey').keptBy).toEqual([]);
    expect(tableOf(planned, 'person').keptBy).toEqual([BOOKS, NEWS]);
    expect(outcomeText(plan(withOld, tables, WHOLE)).sort()).toEqual([
      'click delete',
      'mixed delete',
      'person mask mail name',
      'survey delete',
      'visit delete',
    ]);
  });

  test('a purpose that was added after the request rescues nothing', () => {
    const before = manifestOf(`${PERSON}tables: { shop.public.order: { purposes: [ads] } }`);
    const later = manifestOf(`${PERSON}tables: { shop.public.order: { purposes: [ads, books] } }`);
    const rows = (now: Manifest, then?: Manifest): string[] =>
      outcomeText(planErasure('person', WITHDRAWN, catalog(person, order), now, then));
    expect(rows(later)).toContain('order keep');
    expect(rows(later, before)).toContain('order delete');
    expect(rows(manifestOf(`${PERSON}tables: { shop.public.order: { purposes: [books] } }`), before)).toContain('order delete');
  });

  test('times that say when a contract ended and when rows go are never masked', () => {
    const text = `  sales: { basis: contract, ends: shop.public.person.name }
${PERSON}tables: { shop.public.person: { retention: { keep: P1Y, after: { last: shop.public.order.at } } }, shop.public.order: { captured_at: note } }`;
    const planned = plan(text, [person, order]);
    expect(tableOf(planned, 'person').masksWhenPinned).toEqual(['mail']);
    expect(tableOf(planned, 'order').masksWhenPinned).toEqual([]);
  });

  test('a declared key is masked only if it says who somebody is', () => {
    const text =
      'tables: { shop.public.person: { columns: { id: key, mail: key, name: { category: key, identifying: true }, code: key } } }';
    const coded = table('person', ['mail text', 'name text', 'code text']);
    expect(tableOf(plan(text, [coded]), 'person').masksWhenPinned).toEqual(['mail', 'name']);
  });

  describe('of a row that stays goes what says who it was', () => {
    const MEMBER = [
      ...['mail text', 'role text not null', 'status text not null', 'born date', 'made timestamptz not null', 'seen timestamptz', 'bill numeric not null'],
      ...['bio text', 'path text not null', 'tier text not null', 'own text', 'flag boolean not null', 'count int8', 'blob jsonb', 'secret text not null'],
    ]; // prettier-ignore
    const member = table('person', MEMBER, {
      checks: [{ name: 'tiers', definition: `CHECK ((tier = ANY (ARRAY['a'::text, 'b'::text])))` }],
    });
    const needed = owned('need');
    const masked = (columns: string, scope = WHOLE, live = member) =>
      tableOf(
        plan(`ignore: { shop.public.need: x }\ntables: { shop.public.person: { purposes: [ads]${columns} } }`, [live, needed], scope),
        'person',
      );
    const said = (text: string): string => `, columns: { id: key, ${text} }`;

    test('by category: nobody’s stays; deeds where an empty field would lie; the rest goes', () => {
      const columns =
        'mail: contact, role: other, status: other, born: { category: other, protected: age }, made: time, seen: behaviour, bill: financial, bio: free_text, path: behaviour, tier: behaviour, own: swimming, flag: health, count: technical, blob: other, secret: credential';
      expect(masked(said(columns)).masksWhenPinned).toEqual('mail born seen bio path own flag secret'.split(' '));
    });

    test('without categories: words go unless a check lists them', () => {
      const words = 'mail role status bio path own blob secret'.split(' ');
      expect(masked('').masksWhenPinned).toEqual(words);
      expect(masked(said(MEMBER.map((it) => `${it.split(' ')[0]!}: {}`).join(', '))).masksWhenPinned).toEqual(words);
    });

    test('an ended purpose takes its deeds, too, and nothing that is nobody’s', () => {
      const columns =
        'mail: { purposes: [news] }, role: other, status: behaviour, born: {}, made: time, seen: { category: technical, purposes: [ads] }, bill: financial, bio: {}, path: {}, tier: { purposes: [ads] }, own: {}, flag: { purposes: [ads] }, count: {}, blob: other, secret: { category: other, purposes: [ads] }';
      const planned = masked(said(columns), WITHDRAWN);
      expect(planned).toMatchObject({ rows: 'mask', masks: 'status bill bio path tier own flag'.split(' '), masksWhenPinned: [] });
    });

    test('on_erase is the company’s choice, of columns that are nobody’s, too; what is spared is said', () => {
      const columns = `mail: contact, role: { category: other, on_erase: { constant: deleted } }, status: { category: contact, on_erase: generated }, born: { category: time, on_erase: null },
        made: time, seen: time, bill: other, bio: { category: free_text, on_erase: keep, because: published }, path: other, tier: other, own: other, flag: other, count: other, blob: other,
        secret: { category: other, on_erase: keep }`;
      expect(masked(said(columns))).toMatchObject({
        masksWhenPinned: ['mail', 'role', 'status', 'born'],
        wanted: { role: { with: 'constant', value: 'deleted' }, status: { with: 'generated' }, born: { with: 'null' } },
        spared: [{ column: 'bio', because: 'published' }],
      });
    });
  });

  test('inside JSON: names go, whoever’s the rows are, unless a purpose goes on', () => {
    const text = (purpose: string, path = '$.mail'): string =>
      `tables: { shop.public.event: { purposes: [${purpose}], json: [{ column: data, path: ${path}, refers: person.email }, { column: data, path: $.x }] } }`;
    const event = table('event', ['data jsonb']);
    const planned = plan(text('ads'), [person, event]);
    expect(tableOf(planned, 'event')).toMatchObject({
      ways: [],
      rows: 'keep',
      masks: [],
      masksWhenPinned: [],
      incoming: [],
      json: [{ column: 'data', path: '$.mail', identity: 'email', onErase: 'remove' }],
    });
    expect(plan(text('books'), [person, event]).tables.map((it) => it.table)).toEqual(['public.person']);
    const own = plan(text('ads'), [person, owned('event', ['data jsonb'])]);
    expect(tableOf(own, 'event')).toMatchObject({ rows: 'delete', masksWhenPinned: ['data'], json: [{ identity: 'email' }] });
    expect(plan(text('ads'), [person, table('event', ['data text'])]).tables).toHaveLength(1);
  });

  test('columns that nobody classified are said where the row stays', () => {
    const text = 'tables: { shop.public.person: { purposes: [books], columns: { id: key } } }';
    expect(plan(text, [person]).problems).toEqual([
      {
        code: 'unclassified',
        table: 'shop.public.person',
        message: '`shop.public.person` has columns that nobody classified (mail, name): add them under `columns`',
      },
    ]);
    expect(plan(text.replace('books', 'ads'), [person]).problems).toEqual([]);
  });

  test('what cannot be written is said', () => {
    const privileges = { select: true, update: false, delete: false, owner: false };
    const codes = (more: Partial<CatalogTable>, scope = WHOLE): string[] =>
      plan('', [{ ...person, ...more }], scope).problems.map((it) => `${it.code} ${it.message.replace('`shop.public.person` ', '')}`);
    expect(codes({ privileges })).toEqual(['cannot_write needs privileges that role `probity` lacks: grant delete, update']);
    expect(codes({ privileges }, { ended: [], remaining: [] })).toEqual([]);
    expect(codes({ refused: 'it is unlogged' })).toEqual(['cannot_write is not changed: it is unlogged']);
    expect(codes({ rules: ['r'] })[0]).toContain('rewrite rule `r`');
    expect(codes({ rowSecurity: { enabled: true, forced: true, filtersUs: true } })[0]).toContain('row security');
    const visit = table('visit', ['person_id int8'], { foreignKeys: [key('person_id', 'person')], privileges });
    expect(plan('tables: { shop.public.visit: { purposes: [books] } }', [person, visit]).problems.map((it) => it.table)).toEqual([
      'shop.public.visit',
    ]);
  });
});

describe('order', () => {
  const names = (planned: StoreErasure): string[] => planned.tables.map((it) => it.table.slice(7));
  const open = table('a', ['person_id int8 not null', 'b_id int8'], { foreignKeys: [key('person_id', 'person'), key('b_id', 'b')] });
  const shut = table('b', ['person_id int8 not null', 'a_id int8 not null'], {
    foreignKeys: [key('person_id', 'person'), key('a_id', 'a')],
  });

  test('a cycle is opened where a reference can become null, or is checked at commit', () => {
    expect(names(plan('', [person, open, shut]))).toEqual(['b', 'a', 'person']);
    const deferred = {
      ...open,
      columns: open.columns.map((it) => ({ ...it, nullable: false })),
      foreignKeys: [key('person_id', 'person'), key('b_id', 'b', { deferrable: true })],
    };
    const planned = plan('', [person, deferred, shut]);
    expect(names(planned)).toEqual(['b', 'a', 'person']);
    expect(incomingOf(planned, 'b')).toEqual(['a.b_id: pin']);
    expect(planned.problems).toEqual([]);
  });

  test('a rigid cycle is a problem where both sides go, and only there', () => {
    const rigid = { ...open, columns: open.columns.map((it) => ({ ...it, nullable: false })) };
    expect(plan('', [person, rigid, shut]).problems).toEqual([
      {
        code: 'cycle',
        table: 'shop.public.a',
        message:
          '`shop.public.a` cannot be erased, since foreign keys go round (public.a → public.b → public.a): let public.a (b_id) be NULL, or make `b_id_fkey` deferrable',
      },
    ]);
    expect(plan('tables: { shop.public.b: { purposes: [books] } }', [person, rigid, shut]).problems).toEqual([]);
  });

  test('what leads to rows goes after them where foreign keys allow it', () => {
    // b is found through a, and a references b: a’s reference is opened.
    const b = table('b', ['a_id int8'], { foreignKeys: [key('a_id', 'a')] });
    expect(names(plan('', [person, open, b]))).toEqual(['b', 'a', 'person']);
    const needed = { ...open, columns: open.columns.map((it) => ({ ...it, nullable: false })) };
    const planned = plan('', [person, needed, b]);
    expect(names(planned)).toEqual(['a', 'b', 'person']);
    expect(planned.problems).toEqual([]);
  });

  test('a reference that no constraint enforces stops nothing', () => {
    const loose = table('visit', ['person_id int8 not null'], { foreignKeys: [key('person_id', 'person', { enforced: false })] });
    const planned = plan('tables: { shop.public.visit: { purposes: [books] } }', [person, loose]);
    expect(incomingOf(planned, 'person')).toEqual([]);
  });
});
