import { SHOWN_HASH } from '../canonical.ts';
import { dataTable, html, page, type Html, type Part } from '../html.ts';
import type { Activity, DataCategory, Missing, ProcessingRecord } from './record.ts';
import { basisWords, floorWords, keepingWords, staysWords } from './sentences.ts';
import { durationWords, spaced } from './words.ts';

/** The record as one page for people: to read, to print, to hand to an authority. */
export function processingPage(record: ProcessingRecord): string {
  const body = html`<h1>Record of processing activities</h1>
    <p>
      ${record.organisation} · Art. 30 GDPR · made ${record.madeAt.slice(0, 16).replace('T', ' ')} UTC from manifest
      <code>${record.manifest.slice(0, SHOWN_HASH)}</code> and the live databases.
    </p>
    ${record.mode === 'observe' && html`<p class="note">The manifest is in <strong>observe</strong> mode: what this record says of deletion is planned and reported, and not yet done.</p>`}
    ${missing(record.missing)} ${controller(record)}
    <h2>Purposes</h2>
    ${record.activities.map((it) => activity(it, record))} ${record.activities.length === 0 && html`<p>${MISSING}</p>`}
    ${recipients(record)} ${keeping(record)} ${measures(record)} ${stores(record)} `;
  return page(`Record of processing activities · ${record.organisation}`, body);
}

const MISSING = html`<strong class="missing">MISSING</strong>`;

function or(value: Part): Part {
  return value === null || value === '' || (Array.isArray(value) && value.length === 0) ? MISSING : value;
}

/** Names and their values; a value of null leaves its name out. */
function details(pairs: readonly (readonly [string, Part])[]): Html {
  return html`<dl>
    ${pairs
      .filter(([, value]) => value !== null)
      .map(
        ([name, value]) =>
          html`<dt>${name}</dt>
            <dd>${value}</dd>`,
      )}
  </dl>`;
}

function joined(values: readonly string[]): string | null {
  return values.length === 0 ? null : values.join(', ');
}

function missing(all: readonly Missing[]): Html {
  if (all.length === 0) return html`<p class="note">Nothing that this record can know of is missing.</p>`;
  const headings = [
    { title: 'What is missing' },
    { title: 'Where in the manifest' },
    { title: 'What to write' },
    { title: 'Asked for by' },
  ];
  const rows = all.map((it) => [it.what, html`<code>${it.path}</code>`, html`<code>${it.write}</code>`, it.provision]);
  return html`<h2>${all.length} ${all.length === 1 ? 'particular is' : 'particulars are'} missing</h2>
    ${dataTable('What to complete, and where', headings, rows)}`;
}

function controller({ controller: who }: ProcessingRecord): Html {
  return html`<h2>Controller</h2>
    ${
      who === null
        ? html`<p>${MISSING}</p>`
        : details([
            ['Name', who.name],
            ['Country', or(who.country)],
            ['Address', or(who.address)],
            ['Contact', or(who.contact)],
            ['Data protection officer', or(who.dpo)],
            ['Representative in the Union', who.representative],
          ])
    } `;
}

function activity(it: Activity, record: ProcessingRecord): Html {
  const optional = (text: string | null): Part => text;
  const heading = [{ title: 'Category' }, { title: 'What' }, { title: 'From' }, { title: 'Columns' }];
  const kept = record.keeping.filter((one) => it.tables.includes(one.table));
  return html`<section>
    <h3 id="purpose-${it.purpose}">${spaced(it.purpose)}</h3>
    ${details([
      ['Purpose', or(it.description)],
      ['Legal basis', it.bases.length === 0 ? MISSING : it.bases.map((one) => html`<div>${basisWords(one)}</div>`)],
      ['As long as', optional(it.condition)],
      ['People', it.subjects.length === 0 ? MISSING : it.subjects.map(people).join(', ')],
      ['Recipients', joined(it.recipients) ?? 'none named'],
      ['Read by', joined([...it.roles, ...it.readers])],
      ['Channels', joined(it.channels)],
      ['Notice', it.notice],
      ['Assessment', it.assessment],
      ['Objection', it.objection === null ? null : it.objection === 'absolute' ? 'ends it' : 'stops it until it is weighed'],
      ['Age', it.minimumAge === null ? null : `from ${it.minimumAge} years; an unknown age is too young`],
      [
        'A grant',
        joined([
          ...(it.doubleOptIn ? ['is confirmed (double opt-in)'] : []),
          ...(it.grantsExpire ? [`ends after ${durationWords(it.grantsExpire)}`] : []),
        ]),
      ],
      [
        'Kept',
        kept.length === 0
          ? null
          : kept.map(
              (one) =>
                html`<div>
                  <code>${one.table}</code>:
                  ${keepingWords(one) ?? (one.personal ? MISSING : 'no limit')}${one.floor && `; no sooner than ${floorWords(one.floor)}`}
                </div>`,
            ),
      ],
    ])}
    ${it.data.length === 0 ? html`<p>Data: ${MISSING}</p>` : dataTable(`Personal data used for ${spaced(it.purpose)}`, heading, it.data.map(category))}
  </section> `;
}

function people({ subject, people: number }: Activity['subjects'][number]): string {
  return number === null ? subject : `${subject} (about ${number.toLocaleString('en-US')})`;
}

function category(it: DataCategory): Part[] {
  const marks = [
    ...(it.identifying ? ['identifying'] : []),
    ...it.special.map((one) => `special category (Art. 9): ${one}`),
    ...it.protected.map((one) => `protected: ${one}`),
  ];
  const columns = it.columns.map((column, index) => html`${index > 0 && ', '}<code>${column.split('.').slice(2).join('.')}</code>`);
  return [it.category ?? MISSING, marks.join(', ') || '–', it.origins.join(', ') || '–', columns];
}

function recipients({ recipients: all }: ProcessingRecord): Html {
  const headings = [
    { title: 'Recipient' },
    { title: 'Role' },
    { title: 'For' },
    { title: 'Receives' },
    { title: 'Country' },
    { title: 'Transfer out of the EEA' },
  ];
  const rows = all.map((it) => [
    html`${it.name}${it.description && html`<br /><small>${it.description}</small>`}`,
    it.role,
    or(joined(it.purposes)),
    or(joined(it.receives)),
    or(it.country),
    it.transfer === null ? MISSING : it.transfer ? html`yes: ${or(it.safeguard)}` : 'no',
  ]);
  return html`<h2>Recipients</h2>
    ${all.length === 0 ? html`<p>The manifest names none.</p>` : dataTable('Who receives data', headings, rows)}`;
}

function keeping({ keeping: all, ignored }: ProcessingRecord): Html {
  const headings = [
    { title: 'Table' },
    { title: 'Rows, about', number: true as const },
    { title: 'Kept' },
    { title: 'Law that says no sooner' },
    { title: 'Because' },
  ];
  const rows = all.map((it) => [
    html`<code>${it.table}</code>`,
    it.rows === null ? '–' : it.rows.toLocaleString('en-US'),
    keepingWords(it) ?? (it.personal ? MISSING : 'no personal data'),
    it.floor ? floorWords(it.floor) : '–',
    [...(it.because === null ? [] : [it.because]), ...(it.stays === null ? [] : [staysWords(it.stays)])].join('; ') || '–',
  ]);
  return html`<h2>How long data is kept</h2>
    ${dataTable('Retention and legal floors', headings, rows)}
    ${
      ignored.length > 0 &&
      dataTable(
        'Tables that are left out, and why',
        [{ title: 'Table' }, { title: 'Reason' }],
        ignored.map((it) => [html`<code>${it.table}</code>`, it.reason]),
      )
    }`;
}

function measures({ measures: { declared, built } }: ProcessingRecord): Html {
  return html`<h2>Measures</h2>
    <h3>Of the organisation</h3>
    ${
      declared.length === 0
        ? html`<p>${MISSING}</p>`
        : html`<ul>
            ${declared.map((it) => html`<li>${it}</li>`)}
          </ul>`
    }
    <h3>Built into Probity</h3>
    ${
      built.length === 0
        ? html`<p>None is switched on.</p>`
        : html`<ul>
            ${built.map((it) => html`<li>${it.state === 'observing' && html`<strong>Not yet in force (observing):</strong> `}${it.measure}</li>`)}
          </ul>`
    } `;
}

function stores({ stores: all }: ProcessingRecord): Html {
  const headings = [
    { title: 'Store' },
    { title: 'Database' },
    { title: 'PostgreSQL' },
    { title: 'Declared tables', number: true as const },
    { title: 'Tables nobody classified' },
  ];
  const rows = all.map((it) => [
    `${it.store}${it.home ? ' (home)' : ''}`,
    it.database,
    it.postgres,
    it.tables,
    joined(it.unclassified) ?? 'none',
  ]);
  return html`<h2>Where the data is</h2>
    ${dataTable('Databases', headings, rows)}`;
}
