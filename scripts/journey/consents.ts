import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { withClient } from '../sample/marker.ts';
import { createRandom, type Random } from '../sample/random.ts';

/**
 * The Complete Journey carries no consent: this makes some up, from a seed, so that there is something to show. Nobody of the data ever
 * said any of it. Most households are asked when they get the loyalty card, at the start of the data's year; some change their mind.
 */

const SEED = 2017;
const DAY = 86_400_000;
const YEAR_BEGINS = Date.parse('2017-01-01T05:00:00Z');
/** The first weeks, in which the cards are handed out; everybody who shops then has one. */
const ASKED_WITHIN_DAYS = 21;
const YEAR_DAYS = 364;

const PURPOSE = 'personalization';
const NOTICE = 'simulated-2017';
const CHANNELS = ['email', 'mail'] as const;
const LATER = [
  ['preference_centre', 55],
  ['service_update', 30],
  ['signal', 15],
] as const;

export const CONSENT_COLUMNS = ['key', 'purpose', 'channel', 'decision', 'captured_at', 'touchpoint', 'notice', 'language'] as const;
type ConsentLine = readonly string[];

/** Lines in the order of `CONSENT_COLUMNS`; the same for the same ids. */
export function* simulateConsents(households: readonly number[]): Generator<ConsentLine> {
  const random = createRandom(SEED, 'consents');
  for (const id of households) yield* choicesOf(id, random);
}

function* choicesOf(id: number, random: Random): Generator<ConsentLine> {
  const line = (channel: string, decision: string, day: number, touchpoint: string): ConsentLine => {
    const at = new Date(YEAR_BEGINS + Math.floor(day * DAY)).toISOString();
    return [String(id), PURPOSE, channel, decision, at, touchpoint, NOTICE, 'en'];
  };
  const asked = random.uniform() * ASKED_WITHIN_DAYS;
  for (const channel of CHANNELS) {
    yield line(channel, 'asked', asked, 'onboarding');
    const answer = random.weighted([
      ['granted', 62],
      ['refused', 26],
      ['none', 12],
    ] as const);
    if (answer === 'none') continue;
    yield line(channel, answer, asked + random.uniform() * 0.01, 'onboarding');
    if (!random.chance(0.14)) continue;
    const changed = asked + 1 + random.uniform() * (YEAR_DAYS - asked - 1);
    yield line(channel, answer === 'granted' ? 'withdrawn' : 'granted', changed, random.weighted(LATER));
  }
}

/** Writes the simulated choices of every household in the database as CSV. Returns the number of lines. */
export async function writeConsents(url: string, file: string): Promise<number> {
  const { rows } = await withClient(url, (client) =>
    client.query<{ household_id: number }>('select household_id from households order by household_id'),
  );
  const out = createWriteStream(file, { mode: 0o600 });
  out.write(`${CONSENT_COLUMNS.join(',')}\n`);
  let lines = 0;
  for (const line of simulateConsents(rows.map((row) => row.household_id))) {
    lines += 1;
    if (!out.write(`${line.join(',')}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  return lines;
}
