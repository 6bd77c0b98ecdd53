import type { Clock } from './clock.ts';

/** `confirm`: receipt is to be confirmed today. `warn`: it is due in `days`. `overdue`: it was due, `days` whole days ago. */
export interface Warning {
  readonly kind: 'warn' | 'confirm' | 'overdue';
  readonly days: number;
  readonly due: Date;
  /** Of several that have come, the last: nobody is told the others any more. */
  readonly told: boolean;
}

export interface Warnings {
  /** Those that have come, in their order. */
  readonly come: readonly Warning[];
  /** When the next one does; null: none does without somebody acting. */
  readonly next: Date | null;
}

const DAY_MS = 86_400_000;

/** What is to be told of an open request by now. While its clock stands still nobody can be late, so nothing is. */
export function warningsBy(now: Date, { clock, confirmed }: { readonly clock: Clock; readonly confirmed: boolean }): Warnings {
  const { target: due, confirmBy, paused } = clock;
  const confirmAt = confirmed || confirmBy === null ? null : new Date(confirmBy.getTime() - DAY_MS);
  const confirm: Warning[] =
    confirmAt !== null && confirmBy !== null && confirmAt <= now ? [{ kind: 'confirm', days: 0, due: confirmBy, told: true }] : [];
  const confirming = confirmAt !== null && confirmAt > now ? [confirmAt] : [];
  if (paused) return { come: confirm, next: confirming[0] ?? null };
  if (now > due) {
    const days = Math.floor((now.getTime() - due.getTime()) / DAY_MS);
    return { come: [...confirm, { kind: 'overdue', days, due, told: true }], next: new Date(due.getTime() + (days + 1) * DAY_MS) };
  }
  const come = clock.warnings.filter(({ at }) => at <= now);
  const ahead = [...clock.warnings.flatMap(({ at }) => (at > now ? [at] : [])), new Date(due.getTime() + 1), ...confirming];
  const last = come.at(-1);
  return {
    come: [...confirm, ...come.map((it): Warning => ({ kind: 'warn', days: it.daysBefore, due, told: it === last }))],
    next: ahead.reduce((one, other) => (other < one ? other : one)),
  };
}
