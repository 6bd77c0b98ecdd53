import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../paths.ts';

const PAGE = join(projectRoot, 'docs', 'benchmarks.md');
/** Sections of other benches, behind the page of the retention bench, which has none of this name. */
const SECTIONS = ['Permission', 'Requests'];

/** Writes docs/benchmarks.md anew; sections of other benches stay. Returns its path. */
export function writePage(text: string): string {
  const kept = existsSync(PAGE) ? SECTIONS.map((name) => sectionIn(readFileSync(PAGE, 'utf8'), name)).filter((it) => it !== '') : [];
  writeFileSync(PAGE, [text.trimEnd(), ...kept].join('\n\n').concat('\n'));
  return PAGE;
}

/** Puts a section in its place, or at the end. Returns the page's path. */
export function writeSection(name: string, text: string): string {
  const page = readFileSync(PAGE, 'utf8');
  const before = sectionIn(page, name);
  const section = `# ${name}\n\n${text.trim()}`;
  writeFileSync(PAGE, before === '' ? `${page.trimEnd()}\n\n${section}\n` : page.replace(before, () => section));
  return PAGE;
}

/** From its heading to the next of the same level; empty when there is none. */
function sectionIn(page: string, name: string): string {
  const heading = `# ${name}`;
  const from = page.indexOf(`\n${heading}\n`) + 1;
  if (from === 0) return '';
  const to = page.indexOf('\n# ', from);
  return page.slice(from, to === -1 ? undefined : to).trimEnd();
}
