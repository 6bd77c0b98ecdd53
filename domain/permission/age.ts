import { localDate } from '../time.ts';
import { MICROS_PER_MS, type Micros } from './types.ts';

/**
 * Whether somebody born on `birth` (`YYYY-MM-DD`) is `years` old at an instant: from local midnight of the birthday on, for somebody born
 * on 29 February from 1 March in other years. Null when the birth is not known.
 */
export function ofAge(birth: string | null, years: number, at: Micros, zone: string): boolean | null {
  if (birth === null) return null;
  return localDate(new Date(Math.floor(at / MICROS_PER_MS)), zone) >= birthday(birth, years);
}

function birthday(birth: string, years: number): string {
  const [year, month, day] = birth.split('-').map(Number) as [number, number, number];
  return new Date(Date.UTC(year + years, month - 1, day)).toISOString().slice(0, 'YYYY-MM-DD'.length);
}
