import type { CopyTable } from './copy.ts';
import type { Customer } from './customers.ts';
import type { Random } from './random.ts';
import { DAY, HOUR, timestamp } from './time.ts';
import type { Instant } from './time.ts';
import { TICKET_SUBJECTS, TICKET_TEXTS } from './words.ts';

const TICKETS_AT_SCALE_1 = 8_000;
const AGENTS = 12;
const TICKET_YEARS_IN_DAYS = 5 * 365;
/** People who write without ever having been customers. */
const STRANGERS = 0.1;
/** People type their address as they like. */
const SHOUTED = 0.15;
const LONGEST_THREAD = 9;

interface Ticket {
  readonly id: number;
  readonly email: string;
  readonly opened: Instant;
  readonly closed: Instant | null;
  readonly messages: number;
}

export function supportTables(random: Random, customers: readonly Customer[], scale: number, now: Instant): readonly CopyTable[] {
  const tickets = createTickets(random.fork('tickets'), customers, scale, now);
  return [agents(), ticketRows(random, tickets), messageRows(random, tickets)];
}

function createTickets(random: Random, customers: readonly Customer[], scale: number, now: Instant): readonly Ticket[] {
  const count = Math.max(1, Math.round(TICKETS_AT_SCALE_1 * scale));
  return Array.from({ length: count }, (_, index) => {
    const known = random.chance(STRANGERS) ? `stranger.${random.below(1e6)}@example.net` : random.pick(customers).email;
    const opened = now - TICKET_YEARS_IN_DAYS * DAY * (1 - (index + random.uniform()) / count);
    const closed = opened + HOUR + random.exponential(4 * DAY);
    return {
      id: index + 1,
      email: random.chance(SHOUTED) ? known.toUpperCase() : known,
      opened,
      // Some are never closed: their rule has no time to count from.
      closed: closed > now || random.chance(0.02) ? null : closed,
      messages: 1 + Math.min(LONGEST_THREAD - 1, Math.floor(random.exponential(2))),
    };
  });
}

function agents(): CopyTable {
  return {
    table: 'agent',
    columns: ['agent_id', 'name'],
    rows: () => Array.from({ length: AGENTS }, (_, index) => [index + 1, `Agent ${String.fromCodePoint(65 + index)}`]),
  };
}

function ticketRows(parent: Random, tickets: readonly Ticket[]): CopyTable {
  return {
    table: 'ticket',
    columns: ['ticket_id', 'agent_id', 'requester_email', 'subject', 'status', 'opened_at', 'closed_at'],
    *rows() {
      const random = parent.fork('ticket');
      for (const { id, email, opened, closed } of tickets) {
        const agent = random.chance(0.95) ? 1 + random.below(AGENTS) : null;
        const status = closed === null ? random.pick(['open', 'pending']) : 'closed';
        yield [id, agent, email, random.pick(TICKET_SUBJECTS), status, timestamp(opened), closed === null ? null : timestamp(closed)];
      }
    },
  };
}

function messageRows(parent: Random, tickets: readonly Ticket[]): CopyTable {
  return {
    table: 'ticket_message',
    columns: ['ticket_id', 'message_no', 'author_email', 'body', 'sent_at'],
    *rows() {
      const random = parent.fork('ticket_message');
      for (const { id, email, opened, messages } of tickets) {
        for (let number = 1; number <= messages; number++) {
          const author = number % 2 === 1 ? email : `agent.${1 + random.below(AGENTS)}@acme.example`;
          yield [id, number, author, random.pick(TICKET_TEXTS), timestamp(opened + (number - 1) * HOUR)];
        }
      }
    },
  };
}
