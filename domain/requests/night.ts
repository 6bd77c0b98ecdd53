import { DateTime } from 'luxon';

export interface Night {
  /** The local day, `YYYY-MM-DD`, whose night has begun; null: today's has not yet. */
  readonly day: string | null;
  /** When the next one begins. */
  readonly next: Date;
}

/** Which local day's nightly work is to be done by now, from a time such as `02:00` on. One that the clocks skip is read an hour later. */
export function nightOf(now: Date, time: string, zone: string): Night {
  const [hour = 0, minute = 0] = time.split(':').map(Number);
  const today = DateTime.fromJSDate(now, { zone });
  const on = (day: DateTime): DateTime => day.set({ hour, minute, second: 0, millisecond: 0 });
  if (on(today) > today) return { day: null, next: on(today).toJSDate() };
  return { day: today.toISODate(), next: on(today.plus({ days: 1 })).toJSDate() };
}
