/** Milliseconds from the commit of a change in the home store to its being in force in another, over the last changes. */
export interface Lag {
  readonly changes: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** A p99 of fewer says little; of more, little about now. */
const WINDOW = 5_000;

export function lagWindow(): { readonly add: (ms: number) => void; readonly read: () => Lag | null } {
  const last: number[] = [];
  let at = 0;
  return {
    add: (ms) => {
      last[at] = Math.max(0, ms);
      at = (at + 1) % WINDOW;
    },
    read: () => {
      if (last.length === 0) return null;
      const sorted = last.toSorted((a, b) => a - b);
      const rank = (share: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
      return { changes: sorted.length, p50: rank(0.5), p99: rank(0.99), max: sorted.at(-1) ?? 0 };
    },
  };
}
