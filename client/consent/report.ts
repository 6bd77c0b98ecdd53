import { DateTime } from 'luxon';
import { clockOf } from '../../database/clock.ts';
import { reportNumbers } from '../../database/permission/report.ts';
import { told } from '../../domain/permission/report.ts';
import { consentReportPage, type ReportPage } from '../../domain/permission/report-page.ts';
import { syncStatus, type SyncState } from './sync.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { writeReport } from '../report-file.ts';
import { Refused } from '../refused.ts';

export interface ConsentReport extends ReportPage {
  readonly tables: readonly SyncState[];
}

export interface ReportRange {
  /** Months, `YYYY-MM` in the manifest's zone; null: the last twelve. */
  readonly from: string | null;
  readonly to: string | null;
  /** Also numbers by which people could be singled out. */
  readonly exact: boolean;
}

/** A year, with the month under way. */
const DEFAULT_MONTHS = 12;
const MOST_MONTHS = 600;

/** Counts what the ledger says from one month to another. Reads only. */
export async function consentReport(project: Project, range: ReportRange): Promise<ConsentReport> {
  await requireHome(project);
  const zone = project.manifest.timezone;
  const now = DateTime.fromJSDate(await clockOf(project.home), { zone });
  const last = range.to === null ? now.startOf('month') : monthOf(range.to, zone);
  const first = range.from === null ? last.minus({ months: DEFAULT_MONTHS - 1 }) : monthOf(range.from, zone);
  if (first > last) throw new Refused('The report ends before it begins');
  if (last.diff(first, 'months').months > MOST_MONTHS) throw new Refused(`A report covers at most ${MOST_MONTHS} months`);
  const until = DateTime.min(last.plus({ months: 1 }), now).toJSDate();
  const numbers = await reportNumbers(project.home, zone, first.toJSDate(), until);
  const [from, to] = [first.toFormat('yyyy-MM'), last.toFormat('yyyy-MM')];
  const { organisation } = project.manifest;
  return {
    organisation,
    zone,
    from,
    to,
    until: until.toISOString(),
    ...told(numbers, from, to, range.exact),
    tables: await syncStatus(project),
  };
}

/** Writes it as a page that needs nothing else. Throws `Refused` where another file stands. */
export async function writeConsentReport(report: ConsentReport, file: string): Promise<void> {
  await writeReport(file, consentReportPage(report));
}

function monthOf(text: string, zone: string): DateTime {
  const month = /^\d{4}-\d\d$/.test(text) ? DateTime.fromISO(text, { zone }) : null;
  if (month?.isValid !== true) throw new Refused('A month is written 2026-11');
  return month;
}
