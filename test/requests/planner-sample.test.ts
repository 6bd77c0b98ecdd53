import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCatalog } from '../../database/catalog.ts';
import { openStore } from '../../database/store.ts';
import type { Catalog } from '../../domain/catalog.ts';
import { planErasure } from '../../domain/requests/erasure.ts';
import type { StoreErasure } from '../../domain/requests/model.ts';
import { erasureScope, type ErasureRequest, type PurposeFacts } from '../../domain/requests/remaining.ts';
import { loadManifest } from '../../manifest/load.ts';
import type { Manifest } from '../../manifest/model.ts';
import { createSampleCompany } from '../../scripts/sample/company.ts';
import { incomingOf, outcomeText, tableOf, waysOf } from './planner-text.ts';
import { freshDatabase, type FreshDatabase } from '../support/databases.ts';

let shop: FreshDatabase;
let support: FreshDatabase;
let manifest: Manifest;
const catalogs: Record<string, Catalog> = {};

beforeAll(async () => {
  [shop, support] = [await freshDatabase(), await freshDatabase()];
  await createSampleCompany({ shopUrl: shop.url, supportUrl: support.url, scale: 0.01, seed: 1, now: new Date('2026-11-22T00:00:00Z') });
  for (const [name, { url }] of Object.entries({ shop, support })) {
    const store = openStore({ name, url });
    catalogs[name] = await readCatalog(store);
    await store.close();
  }
  manifest = (await loadManifest('examples/acme-outdoor/manifest.yaml')).manifest!;
});

afterAll(async () => {
  await shop.drop();
  await support.drop();
});

const ERASURE: ErasureRequest = { kind: 'erasure', grounds: ['no_longer_necessary'], purposes: [], channel: null, upheld: [] };
const withdrawal = (...purposes: string[]): ErasureRequest => ({ ...ERASURE, kind: 'withdrawal', grounds: [], purposes });

/** Of somebody for whom everything is allowed but what is named. */
function plan(store: string, request: ErasureRequest, ended: readonly string[] = []): StoreErasure {
  const answers = Object.keys(manifest.purposes).map((name) => {
    const allowed = !ended.includes(name);
    return [name, { allowed, reason: allowed ? ('basis_holds' as const) : ('ended' as const) }];
  });
  const facts: PurposeFacts = { regime: 'gdpr', answers: Object.fromEntries(answers) as PurposeFacts['answers'] };
  return planErasure('customer', erasureScope(request, facts, manifest), catalogs[store]!, manifest);
}

test('an erasure after the account was closed: what the law asks for stays', () => {
  const erased = plan('shop', ERASURE, ['fulfilment', 'service']);
  expect(erased.problems).toEqual([]);
  expect(outcomeText(erased)).toEqual([
    'survey_answer delete',
    'return_line delete',
    'page_view delete',
    'order_line delete',
    'note delete',
    'order delete',
    'invoice delete',
    'household_member delete',
    'household delete',
    'event delete',
    'device delete',
    'consent_choice keep',
    'address delete',
    'customer delete',
  ]);
  // Once its floor is over; until then the law keeps the row.
  expect(tableOf(erased, 'invoice').keptBy).toEqual([]);
  expect(tableOf(erased, 'invoice').floor?.rule).toBe('de-hgb-257');
  expect(waysOf(erased, 'note')).toEqual([
    'customer when entity_type=customer > customer_id=key',
    'order when entity_type=order > customer_id=key',
    'household when entity_type=household > household_member > customer_id=key if shared 1:household has no other owner',
  ]);
  expect(waysOf(erased, 'order')).toEqual(['customer_id=key']);
  expect(waysOf(erased, 'return_line')).toEqual(['order_line > order > customer_id=key']);
  expect(tableOf(erased, 'household').shared).toMatchObject({ onErase: 'detach', lastOwner: 'delete' });
  // The cycle through default_address_id is opened there, and a friend's order that was sent to the address loses it.
  expect(incomingOf(erased, 'address')).toEqual(['customer.default_address_id: detach', 'order.ship_to_address_id: detach']);
  // The proof of what was chosen stays, and needs the row of who chose it.
  expect(incomingOf(erased, 'customer')).toEqual([
    'address.customer_id: pin',
    'consent_choice.customer_id: pin',
    'customer.referred_by: detach',
    'device.customer_id: pin',
    'event.customer_id: detach',
    'household_member.customer_id: pin',
    'invoice.customer_id: detach',
    'order.customer_id: pin',
    'page_view.customer_id: detach',
    'survey_answer.customer_id: pin',
  ]);
  expect(tableOf(erased, 'customer').masksWhenPinned).toEqual('email phone first_name last_name birth_year gender country'.split(' '));
  expect(tableOf(erased, 'event').json).toEqual([
    { column: 'payload', path: '$.contact.email', identity: 'email', onErase: 'remove' },
    { column: 'payload', path: '$.contact.phone', identity: 'phone', onErase: 'remove' },
  ]);
});

test('an erasure while the account is open: what the contract needs stays too', () => {
  const erased = plan('shop', ERASURE);
  expect(outcomeText(erased).filter((it) => !it.endsWith(' keep'))).toEqual([
    'survey_answer delete',
    'page_view delete',
    'invoice delete',
    'event delete',
    'device delete',
    'customer mask birth_year gender lifecycle preferred_channel',
  ]);
  expect(tableOf(erased, 'customer').keptBy.map((it) => `${it.purpose} ${it.article}`)).toEqual(['fulfilment Art. 6(1)(b)']);
  expect(erased.problems).toEqual([]);
});

test('the support desk knows people by their address, and its messages as parts of tickets', () => {
  const erased = plan('support', ERASURE, ['fulfilment', 'service']);
  expect(outcomeText(erased)).toEqual(['ticket_message delete', 'ticket delete']);
  expect(waysOf(erased, 'ticket_message')).toEqual(['author_email=email', 'ticket > requester_email=email']);
  expect(incomingOf(erased, 'ticket')).toEqual(['ticket_message.ticket_id: pin']);
  expect(tableOf(erased, 'ticket').masksWhenPinned).toEqual(['requester_email', 'subject']);
  expect(outcomeText(plan('support', ERASURE))).toEqual(['ticket_message keep', 'ticket keep']);
});

test('a withdrawal takes what that consent alone justified', () => {
  const changed = (request: ErasureRequest): string[] => outcomeText(plan('shop', request)).filter((it) => !it.endsWith(' keep'));
  expect(changed(withdrawal('personalization'))).toEqual(['customer mask lifecycle']);
  expect(changed(withdrawal('research'))).toEqual(['survey_answer delete']);
  expect(changed(withdrawal('fairness_audit'))).toEqual(['customer mask birth_year gender']);
  expect(changed(withdrawal('newsletter', 'personalization'))).toEqual(['customer mask lifecycle preferred_channel']);
  expect(changed({ ...withdrawal('research'), channel: 'email' })).toEqual([]);
  expect(changed(withdrawal('tax'))).toEqual([]);
  expect(plan('shop', withdrawal('*')).problems).toEqual([]);
});
