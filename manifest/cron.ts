const FIELDS: readonly { readonly name: string; readonly min: number; readonly max: number; readonly names: readonly string[] }[] = [
  { name: 'minute', min: 0, max: 59, names: [] },
  { name: 'hour', min: 0, max: 23, names: [] },
  { name: 'day of month', min: 1, max: 31, names: [] },
  { name: 'month', min: 1, max: 12, names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'] },
  { name: 'day of week', min: 0, max: 7, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];
const NICKNAMES = ['@hourly', '@daily', '@midnight', '@weekly', '@monthly', '@yearly', '@annually'];

/** What is wrong with a cron expression, in a clause; null when nothing is. Five fields or a nickname. */
export function cronFault(text: string): string | null {
  if (NICKNAMES.includes(text)) return null;
  if (text.startsWith('@')) return `${text} is not one of ${NICKNAMES.join(', ')}`;
  if (/TZ=/.test(text)) return 'the time zone is the one of the manifest and cannot be set here';
  const fields = text.trim().split(/\s+/);
  if (fields.length !== FIELDS.length) return `it has ${fields.length} fields instead of five`;
  for (const [index, field] of FIELDS.entries()) {
    for (const item of fields[index]!.split(',')) {
      if (!fits(item, field)) return `\`${item}\` is not a ${field.name} (${field.min}–${field.max})`;
    }
  }
  return null;
}

function fits(item: string, field: (typeof FIELDS)[number]): boolean {
  const found = /^(\*|\w+(?:-\w+)?)(?:\/(\d+))?$/.exec(item);
  if (!found) return false;
  const step = found[2];
  if (step !== undefined && Number.parseInt(step, 10) < 1) return false;
  if (found[1] === '*') return true;
  const [low, high] = found[1]!.split('-').map((part) => valueOf(part, field));
  if (low === undefined || low === null) return false;
  return high === undefined || (high !== null && low <= high);
}

function valueOf(part: string, field: (typeof FIELDS)[number]): number | null {
  const named = field.names.indexOf(part.toLowerCase());
  if (named >= 0) return named + field.min;
  if (!/^\d+$/.test(part)) return null;
  const value = Number.parseInt(part, 10);
  return value >= field.min && value <= field.max ? value : null;
}
