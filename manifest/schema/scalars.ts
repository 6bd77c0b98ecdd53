import { IANAZone } from 'luxon';
import { z } from 'zod';
import type { Code } from '../codes.ts';
import { cronFault } from '../cron.ts';
import { DURATION_PATTERN, durationParts, SHORT_DURATION_PATTERN, shortDurationMs, suggestDuration } from '../duration.ts';
import { nearest } from '../nearest.ts';
import { parseWindow, WINDOW_PATTERN } from '../window.ts';

interface Fault {
  readonly message: string;
  readonly fix: string | null;
}

/** A string with a judge of its own; `code` and `fix` travel to the problem in the issue's params. `hint` is for editors. */
function text(code: Code, judge: (value: string) => Fault | null, hint: { pattern?: string; description: string; examples?: string[] }) {
  return z
    .string()
    .superRefine((value, context) => {
      const fault = judge(value);
      if (fault) context.addIssue({ code: 'custom', message: fault.message, params: { code, fix: fault.fix } });
    })
    .meta(hint);
}

/** A word that nothing carries out: refused with what to write instead, so that nobody relies on it. */
export function notCarriedOut(message: string, fix: string) {
  const code: Code = 'P035';
  return z
    .custom<undefined>((value) => value === undefined, { message, params: { code, fix } })
    .optional()
    .meta({ description: `Refused: ${message}` });
}

export const duration = text(
  'P007',
  (value) => {
    if (durationParts(value)) return null;
    const meant = suggestDuration(value);
    return {
      message: `"${value}" is not a duration`,
      fix: meant ? `write ${meant}` : 'write an ISO 8601 duration such as P90D, P13M or P2Y',
    };
  },
  { pattern: DURATION_PATTERN, description: 'ISO 8601 calendar duration', examples: ['P90D', 'P13M', 'P2Y'] },
);

export const shortDuration = text(
  'P007',
  (value) =>
    shortDurationMs(value) === null
      ? { message: `"${value}" is not a short duration`, fix: 'write one such as 200ms, 30s, 10m or PT10M' }
      : null,
  { pattern: SHORT_DURATION_PATTERN, description: 'Short duration', examples: ['200ms', '30s', '10m', 'PT10M'] },
);

export const dailyWindow = text(
  'P009',
  (value) =>
    parseWindow(value) ? null : { message: `"${value}" is not a daily window`, fix: 'write "HH:MM-HH:MM", such as "01:00-05:00"' },
  { pattern: WINDOW_PATTERN, description: 'Daily window in local time; may pass midnight', examples: ['01:00-05:00', '22:00-04:00'] },
);

export const cron = text(
  'P010',
  (value) => {
    const fault = cronFault(value);
    return fault ? { message: `"${value}" is not a cron expression: ${fault}`, fix: 'write five fields, such as "15 1 * * *"' } : null;
  },
  { description: 'Five cron fields in the time zone of the manifest', examples: ['15 1 * * *'] },
);

export const timeZone = text(
  'P011',
  (value) => {
    if (IANAZone.isValidZone(value)) return null;
    const near = nearest(value, Intl.supportedValuesOf('timeZone'));
    return { message: `"${value}" is not a time zone`, fix: near ? `write ${near}` : 'write an IANA name such as Europe/Berlin' };
  },
  { description: 'IANA time zone in which durations and windows are counted', examples: ['Europe/Berlin'] },
);

const PART = '[^.]+';

export const tableId = text(
  'P008',
  (value) => (parts(value) === 3 ? null : { message: `"${value}" is not a table id`, fix: `write store.schema.table${sample(value)}` }),
  { pattern: `^${PART}\\.${PART}\\.${PART}$`, description: 'store.schema.table', examples: ['shop.public.customer'] },
);

export const columnId = text(
  'P008',
  (value) => (parts(value) === 4 ? null : { message: `"${value}" is not a column id`, fix: 'write store.schema.table.column' }),
  { pattern: `^${PART}\\.${PART}\\.${PART}\\.${PART}$`, description: 'store.schema.table.column' },
);

/** A subject (`customer`), something of it (`customer.email`, `customer.*`), or a whole column id. */
export const subjectOrColumn = text(
  'P008',
  (value) =>
    [1, 2, 4].includes(parts(value))
      ? null
      : { message: `"${value}" names neither a subject nor a column`, fix: 'write subject, subject.identity or store.schema.table.column' },
  { description: 'subject, subject.identity or store.schema.table.column', examples: ['customer', 'customer.email'] },
);

/** Names of stores, purposes, subjects, recipients and schedules become parts of ids, so a dot cannot be in them. */
export const name = text(
  'P006',
  (value) =>
    /^[A-Za-z][A-Za-z0-9_-]{0,62}$/.test(value)
      ? null
      : { message: `"${value}" cannot be a name`, fix: 'use letters, digits, _ and -, beginning with a letter' },
  { pattern: '^[A-Za-z][A-Za-z0-9_-]{0,62}$', description: 'Letters, digits, _ and -' },
);

export const words = z.string().min(1);

function parts(value: string): number {
  const split = value.split('.');
  return split.every((part) => part !== '') ? split.length : 0;
}

function sample(value: string): string {
  if (parts(value) === 1) return `, such as store.public.${value}`;
  return parts(value) === 2 ? `, such as ${value.replace('.', '.public.')} or store.${value}` : '';
}
