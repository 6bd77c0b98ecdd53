import { dataTable, html, page, type Html, type Part } from '../html.ts';
import { spaced } from '../processing/words.ts';
import { REDACTED } from './copy.ts';
import type { CopyHead, CopyRest, CopyTableHead, CopyTableTail } from './copy-document.ts';

/** A table of the copy with the first of its rows, each value as JSON; null: withheld. */
export interface PageTable {
  readonly head: CopyTableHead;
  readonly tail: CopyTableTail;
  readonly rows: readonly (readonly (string | null)[])[];
}

/** More would be a file that nobody opens; all of them are in the JSON. */
export const ROWS_ON_PAGE = 50;
/** Of a value; the whole of it is in the JSON. */
const MOST_CHARACTERS = 300;

/** The copy as one page to read and to print. */
export function copyPage(head: CopyHead, tables: readonly PageTable[], rest: CopyRest, jsonFile: string): string {
  const title = head.kind === 'access' ? 'Copy of your personal data' : 'The data that you provided';
  const sections: readonly (readonly [string, string, Html])[] = [
    ['held', head.kind === 'access' ? 'What is held about you' : 'Your data', held(tables, jsonFile)],
    ...(rest.consent === null ? [] : [['consent', 'What may be done with it, and what you said', consent(rest.consent)] as const]),
    ...(rest.recipients === null ? [] : [['recipients', 'Who has received it', recipients(rest.recipients)] as const]),
    ...(rest.requests === null ? [] : [['requests', 'What you have asked for', requests(rest.requests)] as const]),
    ...(rest.rights === null ? [] : [['rights', 'Your rights', rights(rest.rights)] as const]),
  ];
  const body = html`<h1>${title}</h1>
    <p>
      ${head.controller?.name ?? head.organisation} · ${head.provision} · reference ${head.request} · made
      ${head.madeAt.slice(0, 16).replace('T', ' ')} UTC
    </p>
    ${who(head)}
    <p class="note">What is, or may be, about other people is not shown; where it stood you read <strong>${REDACTED}</strong>.</p>
    <nav aria-label="Contents">
      <ul>
        ${sections.map(
          ([id, name]) =>
            html`<li>
              <a href="#${id}">${name}</a>${
                id === 'held' &&
                html`<ul>
                  ${tables.map((it, at) => html`<li><a href="#table-${at}">${it.head.title}</a> (${count(it.tail.count)})</li>`)}
                </ul>`
              }
            </li>`,
        )}
      </ul>
    </nav>
    ${sections.map(
      ([id, name, content]) =>
        html`<section>
          <h2 id="${id}">${name}</h2>
          ${content}
        </section>`,
    )}
    <p>
      Read from
      ${rest.searched.map(({ store, at }, index) => html`${index > 0 && ', '}<code>${store}</code> as of ${at.slice(0, 19).replace('T', ' ')} UTC`)}.
    </p>`;
  return page(`${title} · ${head.request}`, body);
}

function count(number: number): string {
  return `${number.toLocaleString('en-US')} ${number === 1 ? 'row' : 'rows'}`;
}

function who({ person }: CopyHead): Html {
  return html`<dl>
    ${person.map(
      ({ subject, keys, identities }) =>
        html`<dt>${spaced(subject)}</dt>
          <dd>${keys.map((key) => key.join(', ')).join('; ') || 'known by an address only'}</dd>
          ${Object.entries(identities).map(
            ([name, values]) =>
              html`<dt>${spaced(name)}</dt>
                <dd>${values.join(', ')}</dd>`,
          )}`,
    )}
  </dl>`;
}

function held(tables: readonly PageTable[], jsonFile: string): Html {
  if (tables.length === 0) return html`<p>Nothing was found.</p>`;
  return html`${tables.map((table, at) => one(table, at, jsonFile))}`;
}

function one({ head, tail, rows }: PageTable, at: number, jsonFile: string): Html {
  const day = (time: string): string => time.slice(0, 10);
  const facts: readonly (readonly [string, Part])[] = [
    [
      'Used for',
      head.purposes.map(
        ({ purpose, description, bases }) =>
          html`<div>${description ?? spaced(purpose)}: ${bases.join('; ') || 'no basis is declared'}</div>`,
      ),
    ],
    ['Captured', head.captured === null ? null : `${day(head.captured.from)} to ${day(head.captured.to)}`],
    [
      'Kept',
      head.kept === null
        ? 'no period is declared'
        : `${head.kept}${head.endsAt === null ? '' : `; the last of these until ${day(head.endsAt)}`}`,
    ],
    [
      'No sooner, by law',
      head.floor === null ? null : `${head.floor}${head.floorUntil === null ? '' : `; the last of these until ${day(head.floorUntil)}`}`,
    ],
    ['Received by', head.recipients.length === 0 ? 'nobody outside' : head.recipients.join(', ')],
    ['Categories', joined(head.columns.map((it) => it.special ?? it.category))],
    ['Where from', joined(head.columns.map((it) => it.origin))],
    ['Not included', joined(head.leftOut.map((it) => `${it.column} (${it.because})`))],
    ['Withheld', joined(Object.entries(tail.withheld).map(([column, some]) => `${column} (${some.toLocaleString('en-US')})`))],
  ];
  const more = tail.count + tail.naming - rows.length;
  return html`<h3 id="table-${at}">${head.title}</h3>
    <dl>
      ${facts
        .filter(([, value]) => value !== null)
        .map(
          ([name, value]) =>
            html`<dt>${name}</dt>
              <dd>${value}</dd>`,
        )}
    </dl>
    ${dataTable(
      `${count(tail.count)}${tail.naming === 0 ? '' : ` of yours, and ${count(tail.naming)} in which a document names you`}`,
      head.columns.map(({ name }) => ({ title: name })),
      rows.map((row) => row.map(cell)),
    )}
    ${more > 0 && html`<p class="note">${count(more)} more: all of them are in <code>${jsonFile}</code>.</p>`}`;
}

function joined(values: readonly (string | null)[]): string | null {
  const said = [...new Set(values.filter((it) => it !== null))].map(spaced);
  return said.length === 0 ? null : said.join(', ');
}

/** As people read it: text without its quotes, everything else as JSON. */
export function cell(json: string | null): Part {
  if (json === null) return html`<em>${REDACTED}</em>`;
  if (json === 'null') return '–';
  const text = json.startsWith('"') ? (JSON.parse(json) as string) : json;
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)} … (${text.length.toLocaleString('en-US')} characters)` : text;
}

function consent({ permissions, history }: NonNullable<CopyRest['consent']>): Html {
  return html`${dataTable(
    'What your data may be used for now',
    ['purpose', 'channel', 'basis', 'may it be used?', 'why'].map((title) => ({ title })),
    permissions.map((it) => [spaced(it.purpose), it.channel ?? '–', spaced(it.basis), it.allowed ? 'yes' : 'no', spaced(it.reason)]),
  )}
  ${
    history.length === 0
      ? html`<p>No decision of yours is recorded.</p>`
      : dataTable(
          'What you decided',
          ['when', 'purpose', 'channel', 'decision', 'where', 'notice'].map((title) => ({ title })),
          history.map((it) => [
            it.captured.slice(0, 16).replace('T', ' '),
            spaced(it.purpose),
            it.channel ?? '–',
            spaced(it.decision),
            spaced(it.touchpoint),
            it.notice ?? '–',
          ]),
        )
  }`;
}

function recipients(all: NonNullable<CopyRest['recipients']>): Html {
  if (all.length === 0) return html`<p>Nobody outside the organisation.</p>`;
  return dataTable(
    'Recipients of this data',
    ['recipient', 'role', 'country', 'for', 'receives', 'outside the EEA'].map((title) => ({ title })),
    all.map((it) => [
      html`${it.name}${it.description && html`<br /><small>${it.description}</small>`}`,
      it.role,
      it.country ?? 'not declared',
      it.purposes.map(spaced).join(', ') || 'not declared',
      it.receives.join(', '),
      it.outside === null ? 'not known' : it.outside ? `yes: ${it.safeguard ?? 'no safeguard is declared'}` : 'no',
    ]),
  );
}

function requests(all: NonNullable<CopyRest['requests']>): Html {
  return dataTable(
    'Requests',
    ['request', 'what', 'received', 'state'].map((title) => ({ title })),
    all.map((it) => [it.request, spaced(it.kind), it.received.slice(0, 10), it.state]),
  );
}

function rights(all: readonly string[]): Html {
  return html`<ul>
    ${all.map((it) => html`<li>${it}</li>`)}
  </ul>`;
}
