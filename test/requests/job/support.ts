import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ManifestInput } from '../../../manifest/schema/root.ts';
import type { JobWorld } from './world.ts';

/** A customer who has left asks to be erased, and anna approves the plan; gives the request's number. */
export async function approvedErasure(world: JobWorld, customer: number): Promise<string> {
  await world.shop(`update customer set closed_at = now() - interval '1 day' where customer_id = $1`, [customer]);
  return approvedStaying(world, customer);
}

/** The same of one who stays a customer. */
export async function approvedStaying(world: JobWorld, customer: number): Promise<string> {
  const open = ['request', 'open', '--subject', 'customer', '--kind', 'erasure', '--ground', 'no_longer_necessary'];
  const { out } = await world.probity([...open, '--verified-by', 'login', '--evidence', 'SESSION-1'], { input: `${customer}\n` });
  const id = /R-\d+/.exec(out)![0];
  await approvePlan(world, id, (await world.probity(['request', 'plan', id])).out);
  return id;
}

/** `shown`: what `request plan` said. */
export async function approvePlan(world: JobWorld, id: string, shown: string): Promise<void> {
  const plan = /--plan ([0-9a-f]{12})/.exec(shown)![1]!;
  const ran = await world.probity(['request', 'approve', id, '--plan', plan], { token: world.tokens.anna });
  if (ran.code !== 0) throw new Error(ran.out + ran.err);
}

/** In force in both stores, as the replicators would have it; gives the request's number. */
export async function withdrawn(world: JobWorld, customer: number, actor = 'helpdesk'): Promise<string> {
  const open = ['request', 'open', '--kind', 'withdrawal', '--purpose', 'newsletter', '--actor', actor];
  const ran = await world.probity(open, { input: `${customer}\n` });
  const id = /R-\d+/.exec(ran.out)![0];
  await world.shop(`update probity.request set state = 'suppressed' where request_id = $1`, [id]);
  await world.shop(`delete from probity.outbox where request_id = $1`, [id]);
  return id;
}

export interface Recipient {
  readonly url: string;
  /** Each post as it came. */
  readonly heard: readonly { readonly id: string; readonly body: string }[];
  readonly close: () => Promise<void>;
}

/** A recipient's system, on this machine. `answer`: by how many posts have come; null loses the answer on the way. */
export async function startRecipient(
  answer: (heard: number) => { readonly status: number; readonly text: string } | null,
): Promise<Recipient> {
  const heard: { readonly id: string; readonly body: string }[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      heard.push({ id: String(request.headers['probity-notice']), body: Buffer.concat(parts).toString('utf8') });
      const said = answer(heard.length);
      if (said === null) request.socket.destroy();
      else response.writeHead(said.status).end(said.text);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    heard,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

export const ACKNOWLEDGED = { status: 200, text: '{"acknowledged": true}' } as const;

/** What the manifest declares of a recipient that hears by a webhook, whose address `MAILER_URL` gives. */
export const MAILER: NonNullable<ManifestInput['recipients']>[string] = {
  role: 'processor',
  receives: ['customer.email'],
  notify: { webhook: '${MAILER_URL}' },
};
