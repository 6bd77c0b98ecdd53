/** Text that is HTML already. Everything else that enters a page is escaped. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Part = Html | string | number | null | undefined | false | readonly Part[];

/** A piece of a page; what stands in `${…}` is escaped, unless it is a piece itself. Null, undefined and false leave nothing, lists are joined. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.map((text, index) => (index === 0 ? '' : rendered(parts[index - 1])) + text).join(''));
}

function rendered(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'string' || typeof part === 'number') return escaped(String(part));
  return part.map(rendered).join('');
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Safe as text and inside a quoted attribute. */
export function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character]!);
}

/** In every page of ours: by it a page of ours is told from a file that must not be replaced. */
export const GENERATOR = '<meta name="generator" content="probity">';

// System colours and fonts: readable in light and dark, with a reader's own settings, and in print.
const STYLE = `
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem 1.5rem 4rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 2px solid; padding-bottom: .2rem; } h3 { margin: 1.5rem 0 .5rem; }
.scroll { overflow-x: auto; } .scroll:focus-visible { outline: 3px solid; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; font-weight: 600; padding: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid GrayText; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
dl { display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: .25rem 1.5rem; margin: 0; } dt { font-weight: 600; } dd { margin: 0; }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
.missing { font-weight: 700; border: 2px solid; padding: 0 .3rem; white-space: nowrap; }
.note { border-left: .3rem solid; padding: .1rem 1rem; margin: 1rem 0; }
@media print { body { max-width: none; padding: 0; font-size: 9.5pt; } .scroll { overflow: visible; } h2, h3 { break-after: avoid; } tr, dl { break-inside: avoid; } thead { display: table-header-group; } }
`;

/** A whole page that needs nothing else: no scripts, no other files, and it allows none. */
export function page(title: string, body: Html): string {
  const document = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
        />
        ${new Html(GENERATOR)}
        <title>${title}</title>
        <style>
          ${new Html(STYLE)}
        </style>
      </head>
      <body>
        <main>${body}</main>
      </body>
    </html> `;
  return document.text;
}

export interface Heading {
  readonly title: string;
  readonly number?: true;
}

/** A table with a caption; the first cell of each row names the row. It scrolls sideways by itself, by keyboard too. */
export function dataTable(caption: string, headings: readonly Heading[], rows: readonly (readonly Part[])[]): Html {
  const kind = (index: number): Html | null => (headings[index]?.number ? new Html(' class="number"') : null);
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${headings.map((it, index) => html`<th scope="col" ${kind(index)}>${it.title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (cells) =>
            html`<tr>
              ${cells.map((cell, index) => (index === 0 ? html`<th scope="row">${cell}</th>` : html`<td${kind(index)}>${cell}</td>`))}
            </tr> `,
        )}
      </tbody>
    </table>
  </div> `;
}
