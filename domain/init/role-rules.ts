import type { ReferenceRole } from '../../manifest/model.ts';
import { soundsLikeMention } from '../people/mention-names.ts';
import { is, snake } from '../words.ts';
import { stem } from './companions.ts';
import { endsWith } from './names.ts';
import type { SurveyedTable } from './survey.ts';
import type { Way } from './ways.ts';

export interface Said {
  readonly as: ReferenceRole;
  readonly reason: string;
}

/** Ways by the same columns, such as those of a polymorphic pair. */
interface Group {
  readonly name: string;
  readonly ways: readonly Way[];
  readonly subject: string | null;
  readonly inKey: boolean;
  readonly required: boolean;
  readonly paired: boolean;
  /** Leads to people who work here. */
  readonly staff: boolean;
  readonly mentions: boolean;
}

const STAFF = 'employee|staff|admin_user|staff_user|staff_member|agent|operator|administrator|admin|worker|officer|clerk|technician';
const TEAMS = 'household|family|company|organisation|organization|team|tenant|club|group|department';
const SENDS = /^(from|sent_by)(_|$)|(^|_)(sender|author|writer)(_|$)/;
/** `assigned_to` receives nothing. */
const RECEIVES = /^(to|sent_to|addressed_to)(_|$)|(^|_)(recipient|receiver|addressee)(_|$)/;
const OWNERS = ['owner|owned_by', 'user|customer|client|member|person', 'author|writer|creator|account|buyer'];
const TRACES = /^(author|commenter|poster|writer|submitter)_(ip|ip_address|email|email_address|phone|user_agent|host|url)$/;

/** What to say of the ways of a table, where something must or should be said: what is plain is left to the catalog. */
export function draftedRoles(ways: readonly Way[], it: SurveyedTable, homeRefers: boolean): ReadonlyMap<Way, Said> {
  const groups = groupsOf(ways, it);
  const owning = groups.filter((group) => group.ways.some(({ role }) => role !== 'mention'));
  const said = new Map<Way, Said>();
  const say = (some: readonly Group[], as: ReferenceRole, reason: (group: Group) => string): ReadonlyMap<Way, Said> => {
    for (const group of some) for (const way of group.ways) said.set(way, { as, reason: reason(group) });
    return said;
  };
  const traces = it.columns.flatMap(({ column }) => (TRACES.test(snake(column.name)) ? [column.name] : []));
  if (owning.length > 0 && traces.length > 0 && owning.every(({ subject, mentions }) => subject === null || mentions))
    return say(owning, 'mention', () => `${traces.join(', ')} may be those of somebody unknown, whose row it is then`);
  if (homeRefers && endsWith(it.table.name, TEAMS) && owning.every(({ subject }) => subject !== null))
    return say(owning, 'mention', () => `people belong to ${it.local}: it is no single one's`);
  if (!ways.some(({ role }) => role === 'unclear') && !owning.some((it) => onlyServes(it, groups))) return said;

  const { owners, as, why } = choose(groups);
  const reasonOf = (group: Group): string => {
    if (group.mentions && group.subject === null) return 'REVIEW: named like what the row goes to or was done by, so it is not its owner’s';
    if (group.mentions) return 'named like somebody who did, handles or receives it: the row is not theirs';
    return onlyServes(group, groups) ? 'staff, who only served the one whose row it is' : `${owners[0]?.name ?? ''} says whose the row is`;
  };
  say(
    groups.filter((group) => !owners.includes(group)),
    'mention',
    reasonOf,
  );
  return say(owners, as, () => why);
}

interface Choice {
  readonly owners: readonly Group[];
  readonly as: 'owner' | 'both';
  readonly why: string;
}

function choose(all: readonly Group[]): Choice {
  const owner = (group: Group | undefined, why: string): Choice => ({ owners: group === undefined ? [] : [group], as: 'owner', why });
  const between = correspondents(all);
  if (between !== null) {
    const own = between.filter(({ staff }) => !staff);
    if (own.length === 1) return owner(own[0], 'the row is a message between them and staff');
    return { owners: between, as: 'both', why: 'a message between two is of both, and goes with the last' };
  }
  const left = all.filter((it) => !it.mentions && !onlyServes(it, all));
  if (left.length <= 1) return owner(left[0], 'the row is about them: nothing else says whose it is but who took part');
  const direct = left.filter(({ subject }) => subject !== null);
  if (direct.length === 1) return owner(direct[0], 'the only one that names a person who did not just take part');
  const tied = direct.filter(({ inKey }) => inKey);
  if (tied.length > 1)
    return { owners: tied, as: 'owner', why: 'REVIEW: its key ties people to each other, and a tie ends with either of them' };
  const single = direct.filter(({ paired }) => !paired);
  if (single.length === 1) return owner(single[0], 'names a person in each row, the pair only in some');
  const named = [...OWNERS.slice(0, 1), null, ...OWNERS.slice(1)].map((words) =>
    direct.filter(({ name, subject }) => is(stem(name), words ?? subject!)),
  );
  const fits = named.find((some) => some.length > 0);
  if (fits?.length === 1) return owner(fits[0], 'named like the one whom the row is about');
  if (single.length > 1)
    return { owners: single, as: 'both', why: 'REVIEW: it names several people, and nothing tells whose it is: it goes with the last' };
  return owner(left.find(({ required }) => required) ?? left[0], 'REVIEW: it hangs on several things of people, and this is the first');
}

/** An order's `employee_id`: staff beside something that is not theirs. */
function onlyServes(group: Group, all: readonly Group[]): boolean {
  return group.staff && !group.inKey && all.some(({ staff, mentions }) => !staff && !mentions);
}

/** Who writes and who receives. */
function correspondents(groups: readonly Group[]): readonly [Group, Group] | null {
  const named = (words: RegExp) => groups.filter((it) => it.subject !== null && !it.inKey && !it.paired && words.test(stem(it.name)));
  const [sender, ...more] = named(SENDS);
  const [recipient, ...others] = named(RECEIVES).filter((it) => it !== sender);
  return sender === undefined || recipient === undefined || more.length > 0 || others.length > 0 ? null : [sender, recipient];
}

function groupsOf(ways: readonly Way[], { table }: SurveyedTable): Group[] {
  const key = table.primaryKey ?? [];
  const nullable = new Set(table.columns.flatMap((column) => (column.nullable ? [column.name] : [])));
  return [...Map.groupBy(ways, ({ columns }) => columns.join(', ')).values()].map((some) => {
    const [{ column, columns }] = some as [Way];
    const subject = some.find((way) => way.subject !== null)?.subject ?? null;
    return {
      name: column,
      ways: some,
      subject,
      inKey: columns.every((it) => key.includes(it)),
      required: columns.every((it) => !nullable.has(it)),
      paired: some.some(({ when }) => Object.keys(when).length > 0),
      staff: subject !== null && endsWith(subject, STAFF),
      mentions: columns.some((it) => soundsLikeMention(it)),
    };
  });
}
