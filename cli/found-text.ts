import { SHOWN_HASH } from '../client/versions.ts';
import type { showFound } from '../client/requests/found.ts';
import type { Context } from './context.ts';

/** Row by row, with what would be redacted made visible. */
export function foundRowsText(
  id: string,
  { places, page, pages }: Awaited<ReturnType<typeof showFound>>,
  colours: Context['colours'],
): string {
  const lines = places.flatMap(({ column, rows, shown, hash, refused }) => [
    `${colours.bold(column)}  ${shown.length} of ${rows} ${rows === 1 ? 'row' : 'rows'}`,
    ...shown.flatMap(({ row, identities, passages }) => [
      `  ${Object.entries(row)
        .map(([name, value]) => `${name} ${value}`)
        .join(' · ')}  (${identities.join(', ')})`,
      ...(passages.length === 0
        ? ['    has gone by now']
        : passages.map((it) => `    …${oneLine(it.before)}»${colours.red(oneLine(it.found))}«${oneLine(it.after)}…`)),
    ]),
    refused === null
      ? `  To redact what stands between » «: probity request redact ${id} --about ${column} --found ${hash.slice(0, SHOWN_HASH)} --reason names_the_person`
      : `  Not to be redacted: ${refused}`,
  ]);
  return [...lines, ...(pages > 1 ? [`Page ${page} of ${pages}: --page`] : [])].join('\n');
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
}
