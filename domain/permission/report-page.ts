import { dataTable, html, page, type Html } from '../html.ts';
import { REPORTED, SMALLEST, type Dimension, type Told, type ToldNumbers, type ToldRates } from './report.ts';

export interface ReportPage extends ToldNumbers {
  readonly organisation: string;
  readonly zone: string;
  /** Months, `YYYY-MM`, inclusive. */
  readonly from: string;
  readonly to: string;
  /** Until when the last month is told, ISO 8601. */
  readonly until: string;
  /** How far the company's own tables of consent have been read. */
  readonly tables: readonly { readonly source: string; readonly lagMs: number | null; readonly syncedAt: Date | null }[];
}

const WIDTH = 720;
const HEIGHT = 220;
const LEFT = 56;
const BOTTOM = 28;
const TOP = 12;
/** A plot of nothing but noughts still needs a height. */
const LEAST_TOP = 0.01;
const DIMENSIONS: readonly Dimension[] = ['purpose', 'channel', 'touchpoint', 'month'];

/** The report as one page: numbers in tables, each rate as a plot and as a table beside it. */
export function consentReportPage(report: ReportPage): string {
  const { organisation, from, to, zone, until, decisions, rates, tables, exact } = report;
  const body = html`<h1>Consent report of ${organisation}</h1>
    <p>${from} to ${to}, months in ${zone}, until ${until}.</p>
    ${exact ? html`<p class="note">Exact numbers: people could be singled out. Not for publication.</p>` : html`<p>Numbers below ${SMALLEST} are shown as &lt;${SMALLEST}, so that nobody is singled out.</p>`}
    <h2>Decisions</h2>
    ${DIMENSIONS.map((dimension) =>
      dataTable(
        `By ${dimension}`,
        [{ title: dimension }, ...REPORTED.map((title) => ({ title, number: true as const }))],
        decisions[dimension].map(({ by, counts }) => [by, ...REPORTED.map((it) => shown(counts[it]))]),
      ),
    )}
    <h2>Withdrawal rates</h2>
    <p>Consents that were withdrawn in a month, as a share of those that lived when it began and those that began in it.</p>
    ${rates.map((it, index) => rateSection(it, index))}
    ${
      tables.length === 0
        ? null
        : html`<h2>Tables of consent</h2>
            ${dataTable(
              'How far they have been read',
              [{ title: 'table' }, { title: 'read to its end' }, { title: 'newest decision, hours old', number: true }],
              tables.map(({ source, syncedAt, lagMs }) => [
                source,
                syncedAt?.toISOString() ?? 'never',
                lagMs === null ? '–' : (lagMs / 3_600_000).toFixed(1),
              ]),
            )}`
    }`;
  return page(`Consent report of ${organisation}`, body);
}

function rateSection(rates: ToldRates, index: number): Html {
  const title = rates.channel === null ? rates.purpose : `${rates.purpose}, ${rates.channel}`;
  return html`<h3>${title}</h3>
    ${rates.channel === null ? plot(rates, `rate-${index}`) : null}
    ${dataTable(
      `Withdrawal rate of ${title}`,
      [
        { title: 'month' },
        ...['live at its start', 'began', 'withdrawn', 'expired', 'rate'].map((it) => ({ title: it, number: true as const })),
      ],
      rates.months.map((it) => [it.month, ...[it.live, it.began, it.withdrawn, it.expired].map(shown), percent(it.rate)]),
    )}`;
}

function plot(rates: ToldRates, id: string): Html {
  const values = rates.months.map(({ rate }) => rate);
  const top = Math.max(LEAST_TOP, ...values.map((it) => it ?? 0));
  const x = (index: number): number => LEFT + ((WIDTH - LEFT - 8) * (index + 0.5)) / Math.max(values.length, 1);
  const y = (value: number): number => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const points = values.map((value, index) => (value === null ? null : `${x(index).toFixed(1)},${y(value).toFixed(1)}`));
  // Months that are not told leave a gap.
  const lines = points
    .map((it) => it ?? ' ')
    .join(' ')
    .split(/ {2,}/)
    .map((it) => it.trim())
    .filter((it) => it.includes(' '));
  const every = Math.ceil(values.length / 12);
  return html`<svg role="img" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="100%" aria-labelledby="${id}-title ${id}-text">
    <title id="${id}-title">Withdrawal rate of ${rates.purpose} by month</title>
    <desc id="${id}-text">
      From ${rates.months[0]?.month ?? ''} to ${rates.months.at(-1)?.month ?? ''}, at most ${percent(top)}; the table below has every value.
    </desc>
    <g stroke="GrayText" stroke-width="1">
      ${[0, 0.5, 1].map((part) => html`<line x1="${LEFT}" x2="${WIDTH - 8}" y1="${y(top * part)}" y2="${y(top * part)}" />`)}
    </g>
    <g fill="CanvasText" font-size="12">
      ${[0, 0.5, 1].map((part) => html`<text x="${LEFT - 6}" y="${y(top * part) + 4}" text-anchor="end">${percent(top * part)}</text>`)}
      ${rates.months.map(({ month }, index) => (index % every === 0 ? html`<text x="${x(index)}" y="${HEIGHT - 8}" text-anchor="middle">${month}</text>` : null))}
    </g>
    <g fill="none" stroke="LinkText" stroke-width="2.5">${lines.map((line) => html`<polyline points="${line}" />`)}</g>
    <g fill="LinkText">
      ${points.map((it) => (it === null ? null : html`<circle cx="${it.split(',')[0]}" cy="${it.split(',')[1]}" r="3.5" />`))}
    </g>
  </svg>`;
}

function percent(rate: number | null): string {
  return rate === null ? '–' : `${(rate * 100).toFixed(1)} %`;
}

const NUMBER = new Intl.NumberFormat('en-US');

function shown(told: Told): string {
  return typeof told === 'number' ? NUMBER.format(told) : (told ?? '–');
}
