import { z } from 'zod';
import { BASES } from '../basis.ts';
import { DEFAULTS, JOBS } from '../defaults.ts';
import { shortDurationMs, wholeDays } from '../duration.ts';
import {
  columnId,
  cron,
  dailyWindow,
  duration,
  name,
  notCarriedOut,
  shortDuration,
  subjectOrColumn,
  tableId,
  timeZone,
  words,
} from './scalars.ts';
import { consentSource } from './consent.ts';
import { reference, sharedTable, table } from './table.ts';

const basis = z.enum(BASES);
const channels = z.array(words);

const store = z.strictObject({
  url: words.meta({ description: 'postgres://…, usually "${DATABASE_URL}"', examples: ['${DATABASE_URL}'] }),
  home: z.boolean().optional().meta({ description: 'Holds runs, manifests and certificates too' }),
  schemas: z.array(words).optional().meta({ description: 'Schemas of which every table is declared or ignored' }),
});

const purpose = z.strictObject({
  basis: z.union([basis, z.record(words, basis)]).meta({ description: 'One, or by `default`, channel and regime' }),
  description: words.optional(),
  ends: z
    .union([columnId, z.literal('on_request')])
    .optional()
    .meta({ description: 'Column: the purpose ends for a subject at this time; `on_request`: when they ask for erasure' }),
  while: words.optional().meta({ description: 'Condition under which the basis holds' }),
  roles: z.array(words).default([]),
  objection: z.enum(['absolute', 'balanced']).optional(),
  assessment: words.optional(),
  channels: channels.default([]),
  expires: duration.optional(),
  on_expiry: z.literal('stop').optional().meta({ description: 'What is done in any case: the use stops' }),
  notice: words.optional(),
  minimum_age: z.int().min(0).max(150).optional().meta({ description: 'Years; an unknown age is too young' }),
  double_opt_in: z.boolean().default(false).meta({ description: 'A grant counts only after a `pending` that it confirms' }),
  readers: z.array(words).default([]).meta({ description: 'Postgres roles that may read the views of the purpose' }),
});

const subject = z.strictObject({
  table: tableId,
  key: z.union([words, z.array(words).min(1)]),
  identities: z.record(name, words).default({}).meta({ description: 'Identity → column of the subject table' }),
  birth: words.optional().meta({ description: 'Column: a date, a timestamp, or the year as a whole number' }),
});

const notify = z.union([
  z.strictObject({ webhook: words }),
  z.strictObject({ activity: words, taskQueue: words }),
  z.strictObject({ task: words.meta({ description: 'A person of this role does it and says so' }) }),
]);

const recipient = z.strictObject({
  role: z.enum(['processor', 'controller']),
  country: words.optional(),
  receives: z.array(subjectOrColumn).default([]),
  notify,
  safeguard: words.optional().meta({ description: 'What makes a transfer lawful, such as standard contractual clauses' }),
  purposes: z.array(name).default([]),
  description: words.optional(),
});

const batch = shortDuration.refine(
  (text) => {
    const ms = shortDurationMs(text);
    return ms === null || (ms >= DEFAULTS.leastBatchMs && ms <= DEFAULTS.mostBatchMs);
  },
  `must be from ${DEFAULTS.leastBatchMs}ms to ${DEFAULTS.mostBatchMs / 1000}s`,
);

const purge = z.strictObject({
  lanes: z.int().min(1).max(DEFAULTS.mostLanes).default(DEFAULTS.lanes).meta({ description: 'Lanes on one table at the same time' }),
  batch: batch.default(`${DEFAULTS.batchMs}ms`).meta({ description: 'Target of one transaction', examples: ['200ms'] }),
  duty: z
    .number()
    .min(DEFAULTS.leastDuty)
    .max(1)
    .default(DEFAULTS.duty)
    .meta({ description: 'Share of the time that a lane works; 1 = no pacing' }),
  between: dailyWindow.optional(),
  approval: z.union([z.enum(['never', 'always']), z.strictObject({ over: z.int().min(0).meta({ description: 'Rows' }) })]).default('never'),
});

const job = z.enum(JOBS);
const schedule = z.strictObject({
  cron,
  jitter: shortDuration.optional(),
  overlap: z.enum(['skip', 'buffer_one', 'allow_all']).default('skip'),
  catch_up: shortDuration.default(DEFAULTS.catchUp).meta({ description: 'A start missed by no more than this is made up' }),
  run: z.union([job, z.array(job).min(1)]),
});

const own = z.strictObject({
  consent_proof: duration.default(DEFAULTS.own.consent_proof),
  requests: duration.default(DEFAULTS.own.requests),
  runs: notCarriedOut(
    'runs, steps and certificates are never deleted',
    'remove `runs`: they hold no personal data, and certificates are to be checked for as long as somebody may ask',
  ),
  tombstones: duration.default(DEFAULTS.own.tombstones),
  complaint_window: duration.default(DEFAULTS.own.complaint_window),
});

const controller = z.strictObject({
  name: words,
  country: words.optional(),
  dpo: words.optional().meta({ description: 'How to reach the data protection officer' }),
  address: words.optional(),
  contact: words.optional().meta({ description: 'How to reach the controller' }),
  representative: words.optional().meta({ description: 'In the Union, of a controller that is not (Art. 27)' }),
});

const sink = z.strictObject({
  file: words.meta({ description: 'A file outside every store', examples: ['${PROBITY_SINK}'] }),
  key: words.meta({ description: 'Encrypts its entries', examples: ['${PROBITY_SINK_KEY}'] }),
});

const lease = shortDuration.refine(
  (text) => {
    const ms = shortDurationMs(text);
    return ms === null || (ms >= DEFAULTS.leastLeaseMs && ms <= DEFAULTS.mostLeaseMs);
  },
  `must be from ${DEFAULTS.leastLeaseMs / 1000}s to ${DEFAULTS.mostLeaseMs / 3_600_000}h`,
);

const dailyTime = words.regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/, 'must be a time of day such as 02:00');

/** Webhooks are tried daily, and people speak of days. */
const days = duration.refine((text) => {
  const count = wholeDays(text);
  return count !== null && count >= 1 && count <= DEFAULTS.notices.mostDays;
}, `must be whole days, from P1D to P${DEFAULTS.notices.mostDays}D`);

/** As `domain/requests/actor.ts` allows them. */
const role = words.regex(/^[a-z][a-z0-9_]{0,39}$/, 'must be small letters, digits and underscores');

const requests = z.strictObject({
  approval: z
    .strictObject({
      roles: z
        .array(role)
        .min(1)
        .default([...DEFAULTS.approvalRoles])
        .meta({ description: 'Roles of actors, any of which may approve a plan or reject it' }),
      four_eyes: z.boolean().default(false).meta({ description: 'Two actors must approve' }),
    })
    .prefault({}),
  alerts: z
    .strictObject({
      webhook: words.meta({
        description: 'Told by POST when a request comes due or is overdue; https, or this machine',
        examples: ['${ALERTS_WEBHOOK}'],
      }),
    })
    .optional()
    .meta({ description: 'Without, warnings stand in the log, in `request list` and in `request status`' }),
  notices: z
    .strictObject({
      patience: days
        .default(`P${DEFAULTS.notices.patienceDays}D`)
        .meta({ description: 'For so long a recipient is tried; then a person must find another way' }),
      silent_after: days
        .default(`P${DEFAULTS.notices.silentAfterDays}D`)
        .meta({ description: 'A recipient that has not answered for so long is shown as SILENT' }),
    })
    .prefault({}),
  envelope: z
    .strictObject({
      kinds: z
        .array(z.enum(['withdrawal', 'objection']))
        .min(1)
        .default(['withdrawal']),
      most_people: z.int().min(1).max(DEFAULTS.mostPeople).default(DEFAULTS.envelope.people).meta({ description: 'Of one night’s plan' }),
      most_rows: z
        .int()
        .min(0)
        .default(DEFAULTS.envelope.rows)
        .meta({ description: 'Changed by one night’s plan; a larger one waits for an approval' }),
      at: dailyTime.default(DEFAULTS.envelope.at).meta({ description: 'Local time' }),
    })
    .optional()
    .meta({ description: 'What is within it is planned and carried out every night, once it is pre-approved' }),
});

const regime = words.meta({ description: 'gdpr, ccpa, …' });

/** The manifest as a user spells it. Strict: an unknown key is an error, since a misspelt promise would not be kept. */
export const manifestSchema = z.strictObject({
  $schema: z.string().optional(),
  organisation: words,
  controller: controller.optional(),
  timezone: timeZone.default(DEFAULTS.timezone),
  mode: z.enum(['observe', 'enforce']).default(DEFAULTS.mode).meta({ description: '`observe` plans and reports only' }),
  regimes: z
    .strictObject({ default: regime.default(DEFAULTS.regime), from: subjectOrColumn.optional(), map: z.record(words, regime).default({}) })
    .prefault({}),
  stores: z.record(name, store),
  purposes: z.record(name, purpose).default({}),
  subjects: z.record(name, subject).default({}),
  tables: z.record(tableId, table).default({}),
  ignore: z.record(tableId, words).default({}).meta({ description: 'Table → the reason why it is not governed' }),
  references: z.array(reference).default([]),
  shared: z.array(sharedTable).default([]),
  recipients: z.record(name, recipient).default({}),
  consents: z.array(consentSource).default([]).meta({ description: 'Tables that the company keeps consent in' }),
  own: own.prefault({}),
  measures: z.array(words).default([]).meta({ description: 'What keeps data safe (Art. 32), in a sentence each' }),
  sink: sink.optional().meta({ description: 'Withdrawals are written here too, so that a restored backup forgets none' }),
  replicas: z
    .strictObject({
      lease: lease
        .default(`${DEFAULTS.leaseMs / 1000}s`)
        .meta({ description: 'A store that has not heard from home for so long answers no', examples: ['5s'] }),
    })
    .prefault({}),
  purge: purge.prefault({}),
  requests: requests.prefault({}),
  schedules: z.record(name, schedule).default({}),
});

/** What a user may write. */
export type ManifestInput = z.input<typeof manifestSchema>;
/** The same with every default filled in. */
export type ParsedManifest = z.output<typeof manifestSchema>;
