import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { revokeActor } from '../../client/actors.ts';
import { approvedBy, decisions, recordDecision, setPlan, verifyDecision, type Decision } from '../../client/decisions.ts';
import { insertDecision } from '../../database/requests/decisions.ts';
import { approvalPolicy } from '../../domain/requests/policy.ts';
import { decideWorld, type DecideWorld } from './decide-support.ts';

const PLAN = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);

let world: DecideWorld;
let anna: string;
let bert: string;
let olga: string;
let id: string;
beforeAll(async () => {
  world = await decideWorld();
  [anna, bert, olga] = [
    await world.actor('anna', 'approver'),
    await world.actor('bert', 'approver', 'officer'),
    await world.actor('olga', 'officer'),
  ];
});
afterAll(() => world.close());
beforeEach(async () => {
  id = await world.request('olga');
  await setPlan(world.project, id, PLAN);
});

const approve = (token: string, planHash = PLAN, requestId = id) =>
  recordDecision(world.project, { requestId, planHash, decision: 'approve' }, token);
const reject = (token: string, planHash = PLAN) =>
  recordDecision(world.project, { requestId: id, planHash, decision: 'reject', reason: 'plan_too_wide' }, token);
const fourEyes = () => world.apply({ requests: { approval: { four_eyes: true } } });
const oneApprover = () => world.apply({});

test('one approver who has not opened the request approves; the decision is signed over everything it says', async () => {
  expect(await approvedBy(world.project, id, PLAN)).toEqual({
    approved: false,
    by: [],
    needed: 1,
    rejectedBy: [],
    unverified: 0,
    dismissed: [],
    redacted: [],
    givenUp: [],
  });
  const { decision, approval } = await approve(anna);
  expect(approval).toMatchObject({ approved: true, by: ['anna'] });
  expect(decision.statement).toMatchObject({
    format: 'probity-decision/1',
    request: id,
    plan: PLAN,
    decision: 'approve',
    actor: 'anna',
    roles: ['approver'],
  });
  const [stored] = await decisions(world.project, id);
  expect(stored).toEqual(decision);
  expect(verifyDecision(stored!, world.publicKey)).toBe(true);
  expect(await approvedBy(world.project, id, PLAN)).toMatchObject({ approved: true });
  expect(await approvedBy(world.project, id, OTHER)).toMatchObject({ approved: false });
  // Again: the same, said once.
  expect((await approve(anna)).decision).toEqual(decision);
  expect(await decisions(world.project, id)).toHaveLength(1);
});

test('who may not, and what is not', async () => {
  await expect(approve(olga)).rejects.toThrow(/olga may not decide on plans: that needs the role approver/);
  await expect(approve('probity_actor_x')).rejects.toThrow(/No actor/);
  await expect(approve(anna, OTHER)).rejects.toThrow(/another plan by now.*aaaaaaaaaaaa…/);
  await expect(approve(anna, PLAN, 'R-0')).rejects.toThrow(/no request/);
  await expect(recordDecision(world.project, { requestId: id, planHash: PLAN, decision: 'reject' }, anna)).rejects.toThrow(
    /needs a reason/,
  );
  for (const reason of ['anna@example.test', 'because of Mr Smith', ''])
    await expect(recordDecision(world.project, { requestId: id, planHash: PLAN, decision: 'reject', reason }, anna)).rejects.toThrow(
      /is a code/,
    );
  await expect(recordDecision(world.project, { requestId: id, planHash: PLAN, decision: 'dismiss', reason: 'x' }, anna)).rejects.toThrow(
    /about/,
  );
  await setPlan(world.project, id, null);
  await expect(approve(anna)).rejects.toThrow(/no plan yet/);
  await world.closeRequest(id, new Date());
  await expect(approve(anna)).rejects.toThrow(/is closed/);
  await expect(
    recordDecision(world.with({ PROBITY_SIGNING_KEY: '' }), { requestId: id, planHash: PLAN, decision: 'approve' }, anna),
  ).rejects.toThrow(/No signing key/);
  expect(await decisions(world.project, id)).toEqual([]);
});

test.each(['anna', 'Anna', ' ANNA '])('nobody approves their own request (opened by "%s"), but may reject it', async (opener) => {
  id = await world.request(opener);
  await setPlan(world.project, id, PLAN);
  await expect(approve(anna)).rejects.toThrow(/nobody approves their own request/);
  expect((await reject(anna)).approval.rejectedBy).toEqual(['anna']);
});

test('whoever asked for the same again, or recorded the withdrawal behind it, does not approve it either', async () => {
  await world.query(`insert into probity.request_event (request_id, verb, state, actor, at) values ($1, 'repeat', 'open', 'anna', now())`, [
    id,
  ]);
  await expect(approve(anna)).rejects.toThrow(/nobody approves their own/);
  const withdrawal = await world.request('olga');
  await setPlan(world.project, withdrawal, PLAN);
  await world.query(
    `insert into probity.consent_content (record_id, ref, salt, purpose, decision, at, captured_at, received_at, touchpoint, given_by, actor, door, basis, manifest_hash)
     values (77, gen_random_uuid(), '', 'use', 'withdrawn', now(), now(), now(), 't', 'self', 'anna', 'command', 'consent', '')`,
  );
  await world.query(`update probity.request set record_id = 77 where request_id = $1`, [withdrawal]);
  await expect(approve(anna, PLAN, withdrawal)).rejects.toThrow(/nobody approves their own/);
  // An approval from before does not count either.
  const other = await world.request('olga');
  await setPlan(world.project, other, PLAN);
  await approve(anna, PLAN, other);
  await world.query(`insert into probity.request_event (request_id, verb, state, actor, at) values ($1, 'repeat', 'open', 'anna', now())`, [
    other,
  ]);
  expect(await approvedBy(world.project, other, PLAN)).toMatchObject({ approved: false, by: [] });
});

test('a rejected plan stays rejected; another one can be approved', async () => {
  await reject(bert);
  await expect(approve(anna)).rejects.toThrow(/rejected by bert/);
  await setPlan(world.project, id, OTHER);
  expect((await approve(anna, OTHER)).approval.approved).toBe(true);
  expect((await reject(bert, OTHER)).approval).toMatchObject({ approved: false, by: ['anna'], rejectedBy: ['bert'] });
  expect(await approvedBy(world.project, id, OTHER)).toMatchObject({ approved: false });
});

test('four eyes are two people: of two approvals at once both count, and of one person twice one', async () => {
  await fourEyes();
  const both = await Promise.all([approve(anna), approve(anna), approve(bert), approve(bert)]);
  expect(await decisions(world.project, id)).toHaveLength(2);
  expect(both.some(({ approval }) => approval.approved)).toBe(true);
  expect(await approvedBy(world.project, id, PLAN)).toMatchObject({ approved: true, needed: 2 });

  for (let round = 0; round < 10; round++) {
    id = await world.request('olga');
    await setPlan(world.project, id, PLAN);
    const results = await Promise.all([approve(anna), approve(bert)]);
    // Whoever was second sees both: somebody always learns that it is approved, and nobody too early.
    expect(results.map(({ approval }) => approval.approved).sort()).toEqual([false, true]);
  }
  id = await world.request('olga');
  await setPlan(world.project, id, PLAN);
  expect((await approve(anna)).approval).toMatchObject({ approved: false, by: ['anna'], needed: 2 });
  expect((await approve(anna)).approval).toMatchObject({ approved: false, by: ['anna'] });
  await oneApprover();
});

test('an approval and a new plan at the same time: it never counts for the new one', async () => {
  for (let round = 0; round < 10; round++) {
    id = await world.request('olga');
    await setPlan(world.project, id, PLAN);
    const [approved] = await Promise.allSettled([approve(anna), setPlan(world.project, id, OTHER)]);
    if (approved.status === 'rejected') expect(String(approved.reason)).toMatch(/another plan/);
    expect(await approvedBy(world.project, id, OTHER)).toMatchObject({ approved: false });
  }
});

test('the policy is the one in force, whatever the manifest at hand says, and an old one has the default', async () => {
  await world.apply({ requests: { approval: { roles: ['dpo'] } } });
  await expect(approve(anna)).rejects.toThrow(/needs the role dpo/);
  await oneApprover();
  await approve(anna);
  await world.apply({ requests: { approval: { roles: ['dpo'] } } });
  expect(await approvedBy(world.project, id, PLAN)).toMatchObject({ approved: false });
  await oneApprover();
  expect(approvalPolicy({})).toEqual({ roles: ['approver'], fourEyes: false });
});

test('an approval ends with its actor, a rejection does not', async () => {
  const gone = await world.actor('gone', 'approver');
  await approve(gone);
  expect(await approvedBy(world.project, id, PLAN)).toMatchObject({ approved: true });
  const rejected = await world.request('olga');
  await setPlan(world.project, rejected, PLAN);
  await recordDecision(world.project, { requestId: rejected, planHash: PLAN, decision: 'reject', reason: 'wrong_person' }, gone);
  await revokeActor(world.project, 'gone', { token: world.root, name: 'x' });
  expect(await approvedBy(world.project, id, PLAN)).toMatchObject({ approved: false, by: [] });
  expect(await approvedBy(world.project, rejected, PLAN)).toMatchObject({ rejectedBy: ['gone'] });
  await expect(approve(gone)).rejects.toThrow(/revoked/);
});

test('a hit of the scan is dismissed by name, with a reason', async () => {
  const about = 'shop.public.note.body';
  const dismiss = (token: string) =>
    recordDecision(world.project, { requestId: id, planHash: PLAN, decision: 'dismiss', reason: 'other_person', about }, token);
  expect((await dismiss(anna)).approval).toMatchObject({ approved: false, dismissed: [about] });
  id = await world.request('anna');
  await setPlan(world.project, id, PLAN);
  await expect(dismiss(anna)).rejects.toThrow(/nobody approves their own/);
});

test('any change of a decision is found: by its signature where it is shown, and where it should count', async () => {
  const { decision } = await approve(anna);
  const changes: Partial<Decision['statement']>[] = [
    { request: 'R-1' }, { plan: OTHER }, { decision: 'dismiss' }, { actor: 'bert' }, { roles: ['admin'] }, { at: '2026-01-01T00:00:00.000Z' },
    { reason: 'x' }, { about: 'a.b.c' }, { keyId: '0'.repeat(16) },
  ]; // prettier-ignore
  for (const change of changes)
    expect(verifyDecision({ ...decision, statement: { ...decision.statement, ...change } }, world.publicKey)).toBe(false);
  expect(
    verifyDecision(
      { ...decision, signature: `${decision.signature.startsWith('A') ? 'B' : 'A'}${decision.signature.slice(1)}` },
      world.publicKey,
    ),
  ).toBe(false);
  expect(verifyDecision(decision, generateKeyPairSync('ed25519').publicKey)).toBe(false);
  expect(verifyDecision(decision, generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)).toBe(false);
  for (const rubbish of [{}, { statement: null }, { statement: { format: 'x' } }, null])
    expect(() => verifyDecision(rubbish as unknown as Decision, world.publicKey)).not.toThrow();

  for (const change of [
    `update probity.request_decision set actor = 'bert'`,
    'delete from probity.request_decision',
    'truncate probity.request_decision',
    `update probity.request_plan set plan_hash = 'x'`,
  ])
    await expect(world.query(change)).rejects.toThrow(/append-only/);
  // Somebody with the rights of the schema's owner writes a decision that nobody took.
  id = await world.request('olga');
  await setPlan(world.project, id, PLAN);
  const forge = (statement: object) =>
    world.query(
      `insert into probity.request_decision (request_id, plan_hash, decision, actor, statement, signature) values ($1, $2, 'approve', 'bert', $3, $4)`,
      [id, PLAN, JSON.stringify(statement), decision.signature],
    );
  await forge({ ...decision.statement, request: id, actor: 'bert' });
  expect(await approvedBy(world.project, id, PLAN)).toMatchObject({ approved: false, unverified: 1 });
  // One that is signed, but is about another request.
  const third = await world.request('olga');
  await setPlan(world.project, third, PLAN);
  id = third;
  await forge(decision.statement);
  expect(await approvedBy(world.project, third, PLAN)).toMatchObject({ approved: false, by: [] });
});

test('signed by a key of its own, an approval counts for nothing here', async () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  await insertDecision(
    world.project.home.db,
    { request: id, plan: PLAN, decision: 'approve', about: null, reason: null, actor: { name: 'anna', roles: ['approver'] } },
    privateKey,
  );
  expect(await approvedBy(world.project, id, PLAN)).toMatchObject({ approved: false, unverified: 1 });
});
