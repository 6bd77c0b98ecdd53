import { describe, expect, test } from 'vitest';
import { resolveRoles, type Reference } from '../../../domain/people/roles.ts';

const PERSON = 'public.person';
const STAFF = 'public.staff';

const to = (
  from: string,
  columns: string,
  target: string | null,
  declared: Reference['declared'] = null,
  polymorphic = false,
): Reference => ({
  from: `public.${from}`,
  columns: columns.split(' '),
  to: target,
  declared,
  polymorphic,
});

/** `person_id owner`, by the order in which references are given; a reference that leads to nobody is left out. */
function said(
  references: readonly Reference[],
  keys: Record<string, string> = {},
  shared: readonly string[] = [],
  staying: readonly string[] = [],
): string[] {
  const roles = resolveRoles(references, {
    homes: new Set([PERSON, STAFF]),
    shared: new Set(shared.map((it) => `public.${it}`)),
    staying: new Map(staying.map((it) => [`public.${it}`, 'its rows stay'])),
    primaryKey: (table) => (keys[table.slice(7)] ?? 'id').split(' '),
  });
  return references.flatMap((it) => (roles.has(it) ? [`${it.from.slice(7)}.${it.columns.join('+')} ${roles.get(it)!.role}`] : []));
}

describe('what is plain', () => {
  test('the only way, over as many tables as it takes; what leads to nobody has no role', () => {
    const line = [to('line', 'order_id', 'public.order'), to('line', 'product_id', 'public.product'), to('order', 'person_id', PERSON)];
    expect(said(line)).toEqual(['line.order_id owner', 'order.person_id owner']);
  });

  test('what names a person itself, beside what leads to people', () => {
    expect(
      said([to('order', 'person_id', PERSON), to('order', 'address_id', 'public.address'), to('address', 'person_id', PERSON)]),
    ).toEqual(['order.person_id owner', 'order.address_id mention', 'address.person_id owner']);
  });

  test('what stands in the primary key, alone or as the only one that names a person', () => {
    const grant = [to('grant', 'person_id', PERSON), to('grant', 'granter_id', STAFF)];
    expect(said(grant, { grant: 'person_id right' })).toEqual(['grant.person_id owner', 'grant.granter_id mention']);
    const member = [to('member', 'team_id', 'public.team'), to('member', 'person_id', PERSON), to('team', 'person_id', PERSON)];
    expect(said(member, { member: 'team_id person_id' })).toEqual([
      'member.team_id mention',
      'member.person_id owner',
      'team.person_id owner',
    ]);
  });

  test('a subject’s own row mentions whom it names, and what people share belongs to who shares it', () => {
    expect(said([to('staff', 'person_id', PERSON)])).toEqual(['staff.person_id mention']);
    expect(said([to('household', 'head_id', PERSON), to('card', 'household_id', 'public.household')], {}, ['household'])).toEqual([
      'household.head_id mention',
      'card.household_id owner',
    ]);
  });

  test('rows that stay whoever goes mention whom they name, and so do rows that refer to them', () => {
    const log = [to('log', 'person_id', PERSON), to('log', 'order_id', 'public.order'), to('order', 'person_id', PERSON)];
    expect(said([...log, to('log_line', 'log_id', 'public.log')], { log: 'person_id id' }, [], ['log'])).toEqual([
      'log.person_id mention',
      'log.order_id mention',
      'order.person_id owner',
    ]);
  });

  test('what the manifest says, and then the others only mention', () => {
    expect(said([to('order', 'person_id', PERSON, 'owner'), to('order', 'sold_by', STAFF)])).toEqual([
      'order.person_id owner',
      'order.sold_by mention',
    ]);
    expect(said([to('order', 'person_id', PERSON), to('order', 'sold_by', STAFF, 'mention')])).toEqual([
      'order.person_id owner',
      'order.sold_by mention',
    ]);
  });

  test('one pair of columns that means one of several tables is one reference', () => {
    expect(
      said([to('note', 'about', PERSON, null, true), to('note', 'about', 'public.order', null, true), to('order', 'person_id', PERSON)]),
    ).toEqual(['note.about owner', 'note.about owner', 'order.person_id owner']);
  });
});

describe('what is not', () => {
  test('several that name people', () => {
    expect(said([to('message', 'sender', PERSON), to('message', 'receiver', PERSON)])).toEqual([
      'message.sender unclear',
      'message.receiver unclear',
    ]);
    expect(said([to('follow', 'a', PERSON), to('follow', 'b', PERSON)], { follow: 'a b' })).toEqual([
      'follow.a unclear',
      'follow.b unclear',
    ]);
    expect(said([to('order', 'person_id', PERSON), to('order', 'agent_mail', null)])).toEqual([
      'order.person_id unclear',
      'order.agent_mail unclear',
    ]);
  });

  test('one column that names two at once', () => {
    expect(said([to('log', 'x', PERSON), to('log', 'x', STAFF)])).toEqual(['log.x unclear', 'log.x unclear']);
  });

  test('several that lead to people, and a part that names another', () => {
    const paid = [
      to('a', 'person_id', PERSON),
      to('b', 'person_id', PERSON),
      to('paid', 'a_id', 'public.a'),
      to('paid', 'b_id', 'public.b'),
    ];
    expect(said(paid).slice(2)).toEqual(['paid.a_id unclear', 'paid.b_id unclear']);
    expect(
      said([to('a', 'person_id', PERSON), to('line', 'a_id', 'public.a'), to('line', 'person_id', PERSON)], { line: 'a_id no' }).slice(1),
    ).toEqual(['line.a_id unclear', 'line.person_id unclear']);
  });

  test('one that is named like somebody who only did something to the row', () => {
    expect(said([to('product', 'created_by', STAFF)])).toEqual(['product.created_by unclear']);
    expect(said([to('product', 'created_by', STAFF, 'mention'), to('line', 'product_id', 'public.product')])).toEqual([
      'product.created_by mention',
    ]);
  });
});
