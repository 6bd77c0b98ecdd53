import { afterAll, beforeAll, expect, test } from 'vitest';
import { club, contents, difference, type Contents } from '../../samples/club/club.ts';
import { approvePlan } from './support.ts';
import { jobWorld, type JobWorld } from './world.ts';

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld({ manifest: club.manifest, shop: club.sql });
});
afterAll(() => world.close());

const now = (): Promise<Contents> => contents((text) => world.shop(text));

async function planned(subject: string, key: number): Promise<{ id: string; shown: string }> {
  const open = ['request', 'open', '--subject', subject, '--kind', 'erasure', '--ground', 'no_longer_necessary', '--actor', 'helpdesk'];
  const { out } = await world.probity([...open, '--verified-by', 'login', '--evidence', 'S-1'], { input: `${key}\n` });
  const id = /R-\d+/.exec(out)![0];
  const plan = await world.probity(['request', 'plan', id]);
  expect({ code: plan.code, out: plan.out + plan.err }).toMatchObject({ code: 3 });
  return { id, shown: plan.out };
}

async function erased(subject: string, key: number): Promise<{ shown: string; became: string[]; state: string }> {
  const before = await now();
  const { id, shown } = await planned(subject, key);
  expect(difference(before, await now())).toEqual([]);
  await approvePlan(world, id, shown);
  const { state } = await world.carryOut(id);
  return { shown, became: difference(before, await now()), state };
}

test('check has nothing against it, and says of each reference whose the row is', async () => {
  const { out, code } = await world.probity(['check', '--map']);
  expect({ code, out }).toMatchObject({ code: 0 });
  expect(out).toMatch(/access_grant +member_id +member +owner: the row goes with them +part of the primary key/);
  expect(out).toMatch(/api_token +member_id +member +owner: the row goes with them +the only way/);
  expect(out).toMatch(/audit_entry +employee_id +employee +mention: the row stays +its rows stay \(legitimate interests\): who did what/);
  expect(out).not.toMatch(/no purpose uses .*audit_entry/);
  expect(out).not.toContain('NOT CLEAR');
});

test('an employee who served everybody takes nobody’s rows along: what says who it was goes, and the rows stay', async () => {
  const { became, shown } = await erased('employee', 2);
  expect(shown).toMatch(/booking +– +20 +20 +–\n/);
  // A booking that loses both its reference and the name is one row that changes.
  expect(shown).toContain('21 rows change');
  const bookings = Array.from({ length: 20 }, (_, i) => `~ booking ${(i + 1) * 10 + 1} handled_by=null handled_by_name=null`);
  expect(became).toEqual(['- employee 2', ...bookings]);
});

test('an employee whom an entry that stays must name stays with it, and nothing says any more who it was', async () => {
  const { became, shown } = await erased('employee', 3);
  expect(shown).toMatch(/employee +– +1 +– /);
  expect(became.filter((it) => !it.startsWith('~ booking'))).toEqual([expect.stringMatching(/^~ employee 3 email=\S+ full_name=\S+$/)]);
});

/** What is a member's own; of members whose invoices the law keeps. */
function own(i: number): string[] {
  const rows = [
    'api_token 0',
    'attachment 00',
    'attachment 01',
    'booking 00',
    'booking 01',
    'booking 02',
    'incident 0',
    'locker_call 0',
    'visit 0',
  ];
  return [
    ...rows.map((it) => `- ${it.replace(/(\d)(\d?)$/, (_, _first, second: string) => `${i}${second}`)}`),
    `- visit ${100 + i}`,
    `- post ${i}0`,
    `- reaction ${i}/post/${i + 1}0`,
    `- reaction ${i}/topic/${i + 1}`,
    `~ member ${i} email=null phone=null status=deleted birth_year=null display_name=erased`,
    `~ topic ${i} pinned_post_id=null`,
  ];
}

const inOrder = (lines: readonly string[]): string[] => lines.toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true }));

test('a member who granted rights takes none of them along, and leaves messages to whom they wrote', async () => {
  const { became, shown } = await erased('member', 1);
  const more = ['access_grant 1/lathe', 'access_grant 1/saw', 'message 101', 'message_file 101', 'post 201'];
  expect(became).toEqual(inOrder([...own(1), ...more.map((it) => `- ${it}`), '~ audit_entry 1 member_name=null']));
  expect(shown).toContain('message: 1 by recipient_id, 2 by sender_id');
  expect(shown).toContain('audit_entry: rows stay whoever goes (legitimate interests): who did what is kept for disputes');
  expect(shown).toMatch(/message +1 +– +– +2 shared with others/);
});

test('a message stays for a member whose membership goes on, erased or not', async () => {
  await world.shop('update club.member set closed_at = null where member_id = 13');
  await erased('member', 13);
  const { became } = await erased('member', 14);
  expect(became).toContain('- post 140');
  expect(became.filter((it) => it.includes('message'))).toEqual([]);
});

test('a message, with its files, goes with the last of the two', async () => {
  const { became } = await erased('member', 2);
  const more = ['access_grant 2/lathe', 'app_user 1/2', 'message 1', 'message_file 1', 'post 11'];
  expect(became).toEqual(inOrder([...own(2), ...more.map((it) => `- ${it}`)]));
});

test('where the law keeps nothing, the member’s row goes; what others need of it stays', async () => {
  await world.shop('delete from club.invoice where member_id = 9; delete from club.message where 9 in (sender_id, recipient_id)');
  const { became } = await erased('member', 9);
  expect(became).toEqual(
    expect.arrayContaining([
      '- member 9',
      '~ audit_entry 9 member_id=null member_name=null',
      '~ topic 9 author_id=null pinned_post_id=null',
    ]),
  );
  // Its answer to an anonymous writer's topic was never theirs.
  expect(became.filter((it) => it.includes('post'))).toEqual([
    '- post 81',
    '- post 90',
    '- reaction 9/post/100',
    '~ topic 9 author_id=null pinned_post_id=null',
  ]);
});

test('a placeholder that three share leads to nobody’s rows: calls that name it stay as they are', async () => {
  const { became } = await erased('member', 5);
  expect(became).toEqual(expect.arrayContaining(['- booking 50', '- api_token 5']));
  expect(became.filter((it) => /locker_call|member [67]\b/.test(it))).toEqual([]);
});
