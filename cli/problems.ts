import type { Problem } from '../manifest/problem.ts';
import type { Context } from './context.ts';

/** Like a compiler: `file:line:column code severity message`, and below it what to write instead. */
export function problemLines(problems: readonly Problem[], colours: Context['colours']): string[] {
  const paint = { error: colours.red, warning: colours.yellow, info: colours.cyan };
  return problems.flatMap(({ place, code, severity, message, fix }) => {
    const where = place === null ? '' : `${place.file}:${place.line}:${place.column} `;
    const line = `${colours.bold(where)}${paint[severity](`${severity} ${code}`)} ${message}`;
    return fix === null ? [line] : [line, `    ${colours.dim('fix:')} ${fix}`];
  });
}

/** `2 errors, 1 warning` */
export function tally(problems: readonly Problem[]): string {
  const count = (severity: Problem['severity']): number => problems.filter((problem) => problem.severity === severity).length;
  const parts = [
    [count('error'), 'error'],
    [count('warning'), 'warning'],
    [count('info'), 'remark'],
  ] as const;
  const said = parts.filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}${number === 1 ? '' : 's'}`);
  return said.length === 0 ? 'no problems' : said.join(', ');
}
