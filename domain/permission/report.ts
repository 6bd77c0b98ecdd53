/** Records by month (in the manifest's zone), purpose, channel and touchpoint. */
export interface RecordCount {
  /** `2026-11` */
  readonly month: string;
  readonly purpose: string;
  /** Null: about the purpose as a whole. */
  readonly channel: string | null;
  readonly touchpoint: string;
  readonly decision: string;
  readonly count: number;
}

/**
 * Consents that began or ended. A consent is one person's for one purpose on one channel, from the first grant until it ends; a grant while
 * it lives prolongs it. A grant of the purpose as a whole is one on each of its channels.
 */
export interface ConsentChange {
  readonly month: string;
  readonly purpose: string;
  readonly channel: string;
  readonly how: 'began' | 'withdrawn' | 'refused' | 'expired';
  readonly count: number;
}

export interface ReportNumbers {
  readonly records: readonly RecordCount[];
  readonly changes: readonly ConsentChange[];
}

export interface MonthRate {
  readonly month: string;
  /** Living when the month began. */
  readonly live: number;
  readonly began: number;
  readonly withdrawn: number;
  readonly expired: number;
  /** withdrawn ÷ (live + began); null where there was none. */
  readonly rate: number | null;
}

export interface PurposeRates {
  readonly purpose: string;
  /** Null: all channels together. */
  readonly channel: string | null;
  readonly months: readonly MonthRate[];
}

/** Columns of the table of decisions. `expired` is derived: nobody records it. */
export const REPORTED = ['asked', 'granted', 'refused', 'withdrawn', 'expired'] as const;
export type Reported = (typeof REPORTED)[number];
/** What ends a purpose for a subject by its own word counts as withdrawn. */
const AS: Readonly<Record<string, Reported>> = {
  asked: 'asked',
  pending: 'asked',
  granted: 'granted',
  refused: 'refused',
  withdrawn: 'withdrawn',
  objected: 'withdrawn',
};

export interface DecisionLine {
  readonly by: string;
  readonly counts: Readonly<Record<Reported, number>>;
}

export type Dimension = 'purpose' | 'channel' | 'touchpoint' | 'month';

/** Decisions by one dimension, in its order; what expired from the month `from` on. What expired has no touchpoint: it is nobody's doing. */
export function decisionsBy({ records, changes }: ReportNumbers, dimension: Dimension, from: string): DecisionLine[] {
  const lines = new Map<string, Record<Reported, number>>();
  const add = (by: string, reported: Reported, count: number): void => {
    const line = lines.get(by) ?? { asked: 0, granted: 0, refused: 0, withdrawn: 0, expired: 0 };
    line[reported] += count;
    lines.set(by, line);
  };
  for (const record of records) {
    const reported = AS[record.decision];
    if (reported !== undefined) add(record[dimension] ?? WHOLE, reported, record.count);
  }
  for (const change of changes) {
    if (change.how !== 'expired' || change.month < from || dimension === 'touchpoint') continue;
    add(dimension === 'channel' && change.channel === '' ? WHOLE : change[dimension], 'expired', change.count);
  }
  return [...lines].sort(([one], [other]) => (one < other ? -1 : 1)).map(([by, counts]) => ({ by, counts }));
}

/** How a decision about a purpose as a whole shows among channels. */
export const WHOLE = '(all)';

/** Rates month by month from `from` to `to` (`YYYY-MM`, inclusive), per purpose and per channel where there are several. */
export function withdrawalRates(changes: readonly ConsentChange[], from: string, to: string): PurposeRates[] {
  const purposes = [...new Set(changes.map(({ purpose }) => purpose))].sort();
  return purposes.flatMap((purpose) => {
    const own = changes.filter((it) => it.purpose === purpose);
    const channels = [...new Set(own.map(({ channel }) => channel))].sort();
    const all: PurposeRates = { purpose, channel: null, months: months(own, from, to) };
    if (channels.length < 2) return [all];
    return [
      all,
      ...channels.map((channel) => ({
        purpose,
        channel,
        months: months(
          own.filter((it) => it.channel === channel),
          from,
          to,
        ),
      })),
    ];
  });
}

function months(changes: readonly ConsentChange[], from: string, to: string): MonthRate[] {
  const sum = (month: string, how: readonly ConsentChange['how'][]): number =>
    changes.reduce((total, it) => total + (it.month === month && how.includes(it.how) ? it.count : 0), 0);
  let live = changes.reduce((total, it) => (it.month < from ? total + (it.how === 'began' ? it.count : -it.count) : total), 0);
  return monthsBetween(from, to).map((month) => {
    const [began, withdrawn, expired] = [sum(month, ['began']), sum(month, ['withdrawn']), sum(month, ['expired'])];
    const base = live + began;
    const line = { month, live, began, withdrawn, expired, rate: base === 0 ? null : withdrawn / base };
    live = base - sum(month, ['withdrawn', 'refused', 'expired']);
    return line;
  });
}

/** `2026-11` … inclusive. */
export function monthsBetween(from: string, to: string): string[] {
  const found: string[] = [];
  for (let [year, month] = from.split('-').map(Number) as [number, number]; ; month === 12 ? ((year += 1), (month = 1)) : (month += 1)) {
    const text = `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}`;
    if (text > to) return found;
    found.push(text);
  }
}

/** Fewer people than this could be found out by whoever knows some of them. */
export const SMALLEST = 5;
const SMALL = `<${SMALLEST}` as const;

/** A number that may be told; `<5` for one by which people could be singled out; null where there can be none. */
export type Told = number | typeof SMALL | null;

export interface ToldLine {
  readonly by: string;
  readonly counts: Readonly<Record<Reported, Told>>;
}

export interface ToldMonth {
  readonly month: string;
  readonly live: Told;
  readonly began: Told;
  readonly withdrawn: Told;
  readonly expired: Told;
  /** Null also where a part of it is not told. */
  readonly rate: number | null;
}

export interface ToldRates {
  readonly purpose: string;
  readonly channel: string | null;
  readonly months: readonly ToldMonth[];
}

export interface ToldNumbers {
  readonly exact: boolean;
  readonly decisions: Readonly<Record<Dimension, readonly ToldLine[]>>;
  readonly rates: readonly ToldRates[];
}

/** What leaves the ledger: unless `exact`, no number by which people could be singled out. Totals of a table may still give away one of its cells. */
export function told(numbers: ReportNumbers, from: string, to: string, exact: boolean): ToldNumbers {
  const tell = (count: number): Told => (!exact && count > 0 && count < SMALLEST ? SMALL : count);
  const lines = (dimension: Dimension): ToldLine[] =>
    decisionsBy(numbers, dimension, from).map(({ by, counts }) => ({
      by,
      counts: {
        asked: tell(counts.asked),
        granted: tell(counts.granted),
        refused: tell(counts.refused),
        withdrawn: tell(counts.withdrawn),
        expired: dimension === 'touchpoint' ? null : tell(counts.expired),
      },
    }));
  const rates = withdrawalRates(numbers.changes, from, to).map((it) => ({
    ...it,
    months: it.months.map((month) => ({
      month: month.month,
      live: tell(month.live),
      began: tell(month.began),
      withdrawn: tell(month.withdrawn),
      expired: tell(month.expired),
      rate: tell(month.withdrawn) === SMALL || tell(month.live + month.began) === SMALL ? null : month.rate,
    })),
  }));
  return {
    exact,
    decisions: { purpose: lines('purpose'), channel: lines('channel'), touchpoint: lines('touchpoint'), month: lines('month') },
    rates,
  };
}
