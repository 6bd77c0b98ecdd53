import fc from 'fast-check';
import type { ConsentRecord, Micros, SubjectFacts } from '../../domain/permission/types.ts';
import type { Basis, Decision } from '../../manifest/model.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';

/** Random manifests and lives, crowded around few instants, so that ties, ends and clock changes meet. */

export const ZONES = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Antarctica/Troll', 'UTC'];
export const PURPOSES = ['alpha', 'beta', 'gamma', 'delta'];
export const CHANNELS = ['email', 'web'];
export const REGIMES = { default: 'gdpr', map: { 'US-CA': 'ccpa' } };

const HOUR = 3_600_000_000;
const DAY = 24 * HOUR;
const INSTANTS = [
  '2023-03-26T01:00:00Z', // Berlin and Troll: forward
  '2023-10-29T01:00:00Z', // and back
  '2024-03-10T07:00:00Z', // New York: forward
  '2024-11-03T06:00:00Z', // and back
  '2024-04-06T15:00:00Z', // Lord Howe: back by half an hour
  '2024-10-05T15:30:00Z', // and forward
  '2024-01-31T12:00:00Z',
  '2024-02-29T11:30:00Z',
  '2023-09-29T01:30:00Z', // a month before a repeated hour
  '2024-03-06T15:00:00Z',
].map((text) => Date.parse(text) * 1000);

const offset = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 0, 0, 1, -1, 1000, -1000) },
  { weight: 2, arbitrary: fc.constantFrom(HOUR / 2, -HOUR / 2, HOUR, -HOUR, DAY, -DAY, 30 * DAY, 31 * DAY) },
  { weight: 1, arbitrary: fc.integer({ min: -400, max: 400 }).map((hours) => hours * HOUR + 123_456) },
);
export const instant: fc.Arbitrary<Micros> = fc.tuple(fc.constantFrom(...INSTANTS), offset).map(([at, by]) => at + by);
/** One person's life turns around one or two instants. */
const around = (centre: readonly Micros[]): fc.Arbitrary<Micros> =>
  fc.oneof(
    { weight: 5, arbitrary: fc.tuple(fc.constantFrom(...centre), offset).map(([at, by]) => at + by) },
    { weight: 1, arbitrary: instant },
  );

export const LENGTHS = ['P1M', 'P1D', 'PT36H', 'P1Y', 'P1Y2M3DT4H', 'P2W', 'P0D', 'P30D'];

const OPT_IN: readonly Basis[] = ['consent', 'soft_opt_in'];
const FREE: readonly Basis[] = ['opt_out', 'contract', 'legal_obligation', 'vital_interests', 'public_task', 'legitimate_interests'];
const optIn = fc.constantFrom(...OPT_IN);
const free = fc.constantFrom(...FREE);
type Bases = Basis | Record<string, Basis>;

/** As the manifest allows them: under one regime either all channels wait for a grant or none does. */
const bases = (withChannels: boolean): fc.Arbitrary<Bases> =>
  fc.oneof(
    { weight: 3, arbitrary: optIn },
    { weight: 3, arbitrary: free },
    { weight: 3, arbitrary: fc.record({ default: fc.oneof(optIn, free), ccpa: fc.oneof(optIn, free) }) },
    ...(withChannels
      ? [
          { weight: 2, arbitrary: fc.record({ default: optIn, email: optIn }) },
          { weight: 2, arbitrary: fc.record({ default: free, email: free, ccpa: optIn }) },
        ]
      : []),
  );

type PurposeInput = NonNullable<ManifestInput['purposes']>[string];

const purpose: fc.Arbitrary<PurposeInput> = fc
  .boolean()
  .chain((withChannels) =>
    fc.record({
      withChannels: fc.constant(withChannels),
      basis: bases(withChannels),
      expires: fc.option(fc.constantFrom(...LENGTHS)),
      doubleOptIn: fc.boolean(),
      balanced: fc.constantFrom('balanced', 'absolute', null),
      minimumAge: fc.option(fc.constantFrom(13, 16, 16, 18), { freq: 2 }),
      ends: fc.boolean(),
    }),
  )
  .map(({ withChannels, basis, expires, doubleOptIn, balanced, minimumAge, ends }) => {
    const chosen = (typeof basis === 'string' ? [basis] : Object.values(basis)).some((it) => OPT_IN.includes(it) || it === 'opt_out');
    return {
      basis,
      channels: withChannels ? [...CHANNELS] : [],
      ...(chosen && expires !== null ? { expires } : {}),
      ...(chosen ? { double_opt_in: doubleOptIn } : {}),
      ...(balanced !== null ? { objection: balanced as 'balanced' } : {}),
      ...(minimumAge !== null ? { minimum_age: minimumAge } : {}),
      ...(ends ? { ends: 'shop.public.customer.closed_at' } : {}),
    };
  });

export const purposes = fc
  .tuple(...PURPOSES.map(() => purpose))
  .map((all) => Object.fromEntries(all.map((it, index) => [PURPOSES[index]!, it])));

export interface Life {
  /** Without what a manifest decides: which purposes end. */
  readonly country: string | null;
  readonly birth: string | null;
  readonly closedAt: Micros | null;
  readonly history: readonly ConsentRecord[];
  /** By source; the person itself is not in it. */
  readonly linked: Readonly<Record<string, Micros>>;
  readonly known: boolean;
}

const DECISIONS: readonly Decision[] = [
  'asked',
  'pending',
  'granted',
  'granted',
  'granted',
  'refused',
  'withdrawn',
  'withdrawn',
  'objected',
  'objection_upheld',
  'objection_rejected',
];
const BASES = [...OPT_IN, ...FREE] as const;

const record = (at: fc.Arbitrary<Micros>, about: readonly string[]): fc.Arbitrary<Omit<ConsentRecord, 'id' | 'linkedAt'>> =>
  fc.oneof(
    {
      weight: 9,
      arbitrary: fc.record({
        purpose: fc.constantFrom(...about),
        decision: fc.constantFrom(...DECISIONS),
        channel: fc.constantFrom(null, null, ...CHANNELS),
        basis: fc.constantFrom(...BASES),
        ...rest(at),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        purpose: fc.constant('*'),
        decision: fc.constantFrom<Decision[]>('restricted', 'restriction_lifted', 'restriction_lifted'),
        channel: fc.constant(null),
        basis: fc.constant('none' as const),
        ...rest(at),
      }),
    },
  );

const rest = (at: fc.Arbitrary<Micros>) => ({
  source: fc.constantFrom('self', 'self', 'self', 'device', 'email'),
  capturedAt: at,
  receivedAt: at,
  givenBy: fc.constantFrom('self' as const, 'self' as const, 'parent' as const),
  expiresAt: fc.option(at, { freq: 3 }),
});

/** What one person says is about one or two purposes, so that much of it bears on the same. */
const topics = fc.subarray(PURPOSES, { minLength: 1, maxLength: 2 });

/** What belongs together, said by one source of one channel, in this order or (a tie) at once. */
const STORIES: readonly (readonly Decision[])[] = [
  ['pending', 'granted'],
  ['pending', 'withdrawn', 'granted'],
  ['granted', 'withdrawn'],
  ['granted', 'withdrawn', 'granted'],
  ['asked', 'refused', 'granted'],
  ['objected', 'objection_rejected', 'objected'],
  ['objected', 'granted'],
  ['granted'],
];
const pause = fc.constantFrom(0, 0, 1, HOUR, 30 * DAY);

const story = (centre: readonly Micros[], about: readonly string[]): fc.Arbitrary<Omit<ConsentRecord, 'id' | 'linkedAt'>[]> =>
  fc
    .record({
      decisions: fc.constantFrom(...STORIES),
      start: fc.constantFrom(...centre),
      pauses: fc.tuple(pause, pause, pause),
      ...rest(fc.constant(0)),
      source: fc.constantFrom('self', 'self', 'device'),
      purpose: fc.constantFrom(...about),
      channel: fc.constantFrom(null, null, ...CHANNELS),
      basis: fc.constantFrom(...BASES),
      expiresAt: fc.constant(null),
    })
    .map(({ decisions, start, pauses, ...same }) => {
      let at = start;
      return decisions.map((decision, index) => {
        at += pauses[index] ?? 0;
        return { ...same, decision, capturedAt: at, receivedAt: at };
      });
    });

export const life: fc.Arbitrary<Life> = fc.tuple(fc.array(instant, { minLength: 1, maxLength: 2 }), topics).chain(([centre, about]) => {
  const at = around(centre);
  const birth = fc
    .tuple(fc.constantFrom(...centre), fc.constantFrom(13, 16, 16, 18), fc.integer({ min: -1, max: 2 }))
    .map(([near, years, days]) => {
      const day = new Date(near / 1000 + days * 86_400_000);
      return new Date(Date.UTC(day.getUTCFullYear() - years, day.getUTCMonth(), day.getUTCDate())).toISOString().slice(0, 10);
    });
  return fc
    .record({
      country: fc.constantFrom(null, 'DE', 'US-CA', 'US-CA'),
      birth: fc.option(fc.oneof(birth, birth, fc.constant('2008-02-29')), { freq: 4 }),
      closedAt: fc.option(at, { freq: 1 }),
      records: fc.array(record(at, about), { minLength: 0, maxLength: 7, size: 'max' }),
      stories: fc.array(story(centre, about), { minLength: 0, maxLength: 2 }),
      device: at,
      email: at,
      known: fc.integer({ min: 0, max: 19 }).map((it) => it > 0),
    })
    .map(({ records, stories, device, email, ...person }) => {
      const linked: Record<string, Micros> = { device, email };
      return {
        ...person,
        linked,
        history: [...records, ...stories.flat()].map((it, index) => ({ ...it, id: index + 1, linkedAt: linked[it.source] ?? -Infinity })),
      };
    });
});

export function factsOf(one: Life, declared: Readonly<Record<string, { readonly ends: string | null }>>): SubjectFacts {
  const ends = Object.entries(declared).flatMap(([name, it]) =>
    it.ends === null || one.closedAt === null ? [] : [[name, one.closedAt] as const],
  );
  return { known: one.known, regime: regimeOf(one.country), birth: one.birth, ends: Object.fromEntries(ends) };
}

function regimeOf(country: string | null): string | null {
  if (country === null) return null;
  return country === 'US-CA' ? 'ccpa' : 'gdpr';
}
