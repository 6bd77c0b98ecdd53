import { deviceOf } from './activity.ts';
import type { CopyTable } from './copy.ts';
import type { Customer } from './customers.ts';
import type { Random } from './random.ts';
import { DAY, date, timestamptz } from './time.ts';
import type { Instant } from './time.ts';
import { FREE_TEXTS, NOTE_TEXTS, TOUCHPOINTS } from './words.ts';

const SURVEYS = ['How did you find us?', 'After your purchase', 'What should we build next?'] as const;
const QUESTIONS = 3;
const ANSWERS = 0.12;
const NOTICES = ['privacy-2018-05', 'privacy-2022-01', 'privacy-2026-03'] as const;
const CHANGE_LOG_DAYS = 700;

/** What people said and chose, who lives with whom, and what staff wrote about them. */
export function voiceTables(random: Random, customers: readonly Customer[], orders: number, now: Instant): readonly CopyTable[] {
  return [
    ...householdRows(customers, now),
    ...surveyRows(random, customers),
    consentRows(random, customers),
    noteRows(random, customers, orders, now),
    changeLog(random, customers.length, now),
  ];
}

function householdRows(customers: readonly Customer[], now: Instant): readonly CopyTable[] {
  const members = customers.filter((customer) => customer.household !== null);
  const founders = new Map<number, Customer>();
  for (const member of members) if (member.household !== null && !founders.has(member.household)) founders.set(member.household, member);
  const together = (member: Customer): Instant => Math.min(now, member.signedUp + 30 * DAY);
  return [
    {
      table: 'household',
      columns: ['household_id', 'label', 'created_at'],
      *rows() {
        const ordered = [...founders].sort(([a], [b]) => a - b);
        for (const [id, founder] of ordered) yield [id, `Family ${founder.last}`, timestamptz(together(founder))];
      },
    },
    {
      table: 'household_member',
      columns: ['household_id', 'customer_id', 'role', 'joined_at'],
      *rows() {
        for (const member of members) {
          const role = founders.get(member.household ?? 0) === member ? 'owner' : 'member';
          yield [member.household, member.id, role, timestamptz(together(member))];
        }
      },
    },
  ];
}

function surveyRows(parent: Random, customers: readonly Customer[]): readonly CopyTable[] {
  return [
    {
      table: 'survey',
      columns: ['survey_id', 'title', 'opened_on'],
      rows: () => SURVEYS.map((title, index) => [index + 1, title, `20${16 + index}-01-15`]),
    },
    {
      table: 'survey_answer',
      columns: ['survey_id', 'question_no', 'customer_id', 'device_id', 'choice', 'free_text', 'answered_on'],
      *rows() {
        const random = parent.fork('survey_answer');
        for (const customer of customers) {
          if (!random.chance(ANSWERS)) continue;
          const survey = 1 + random.below(SURVEYS.length);
          const answered = date(customer.signedUp + random.uniform() * (customer.lastSeen - customer.signedUp));
          const device = random.chance(0.6) ? deviceOf(customer) : null;
          for (let question = 1; question <= QUESTIONS; question++) {
            const text = random.chance(0.3) ? random.pick(FREE_TEXTS) : null;
            yield [survey, question, customer.id, device, 1 + random.below(5), text, answered];
          }
        }
      },
    },
  ];
}

/** Most people are asked once, at sign-up; some change their mind later, at another touchpoint. */
function consentRows(parent: Random, customers: readonly Customer[]): CopyTable {
  const asked = [
    ['newsletter', 'email'],
    ['personalization', 'web'],
    ['personalization', 'mobile'],
    ['research', 'email'],
  ] as const;
  return {
    table: 'consent_choice',
    columns: ['customer_id', 'purpose', 'channel', 'chosen_at', 'decision', 'touchpoint', 'notice'],
    *rows() {
      const random = parent.fork('consent_choice');
      for (const customer of customers) {
        for (const [purpose, channel] of asked) {
          if (!random.chance(0.7)) continue;
          const granted = random.chance(0.55);
          const first = customer.signedUp;
          const decision = granted ? 'granted' : 'refused';
          yield [customer.id, purpose, channel, timestamptz(first), decision, random.pick(TOUCHPOINTS), notice(first)];
          const later = first + random.uniform() * (customer.lastSeen - first);
          if (!random.chance(0.12) || later - first < DAY) continue;
          const change = granted ? 'withdrawn' : 'granted';
          yield [customer.id, purpose, channel, timestamptz(later), change, random.pick(TOUCHPOINTS), notice(later)];
        }
      }
    },
  };
}

function notice(time: Instant): string {
  const year = new Date(time).getUTCFullYear();
  if (year < 2022) return NOTICES[0];
  return year < 2026 ? NOTICES[1] : NOTICES[2];
}

function noteRows(parent: Random, customers: readonly Customer[], orders: number, now: Instant): CopyTable {
  return {
    table: 'note',
    columns: ['note_id', 'entity_type', 'entity_id', 'body', 'created_at'],
    *rows() {
      const random = parent.fork('note');
      const households = Math.max(0, ...customers.map((customer) => customer.household ?? 0));
      const limits = { customer: customers.length, order: orders, household: households };
      for (let id = 1; id <= Math.round(customers.length / 4); id++) {
        const type = random.weighted<'customer' | 'order' | 'household'>([
          ['customer', 60],
          ['order', 35],
          ['household', 5],
        ]);
        if (limits[type] === 0) continue;
        const written = now - random.uniform() ** 2 * 3000 * DAY;
        yield [id, type, 1 + random.below(limits[type]), random.pick(NOTE_TEXTS), timestamptz(written)];
      }
    },
  };
}

function changeLog(parent: Random, customers: number, now: Instant): CopyTable {
  return {
    table: 'change_log',
    columns: ['change_id', 'table_name', 'row_id', 'action', 'changed_at'],
    *rows() {
      const random = parent.fork('change_log');
      for (let id = 1; id <= customers; id++) {
        const changed = now - CHANGE_LOG_DAYS * DAY * (1 - (id - random.uniform()) / customers);
        yield [
          id,
          'address',
          1 + random.below(customers),
          random.weighted([
            ['insert', 60],
            ['update', 35],
            ['delete', 5],
          ]),
          timestamptz(changed),
        ];
      }
    },
  };
}
