import { writeFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

/** Whoever sees the end of a log only, some thirty lines, must see what failed; beside it stand the summary and the count. */
const LINES = 22;
const LINES_OF_A_FAILURE = 8;
/** Empty lines, and the legend above every difference. */
const NOTHING = /^$|^- Expected$|^\+ Received$/;

interface Failure {
  readonly what: string;
  readonly errors: readonly SerializedError[];
}

const failuresIn = (module: TestModule): readonly Failure[] => {
  const file = module.relativeModuleId;
  const around = [
    { what: file, errors: module.errors() },
    ...[...module.children.allSuites()].map((suite) => ({ what: `${file} > ${suite.fullName}`, errors: suite.errors() })),
  ];
  const tests = [...module.children.allTests('failed')].map((test) => ({
    what: `${file} > ${test.fullName} (${((test.diagnostic()?.duration ?? 0) / 1000).toFixed(1)} s)`,
    errors: test.result().errors ?? [],
  }));
  return [...around.filter(({ errors }) => errors.length > 0), ...tests];
};

const described = ({ what, errors }: Failure, lines: number): string => {
  const messages = errors.flatMap(({ name = 'Error', message, diff, stacks = [] }) => {
    const at = stacks[0] === undefined ? '' : ` (line ${stacks[0].line} of ${stacks[0].file.split('/').at(-1)})`;
    const [first = '', ...rest] = `${name}: ${message}`.split('\n');
    return [`${first}${at}`, ...rest, ...(typeof diff === 'string' ? diff : '').split('\n')];
  });
  const told = messages.map((line) => stripVTControlCharacters(line).trimEnd()).filter((line) => !NOTHING.test(line));
  return [`FAILED  ${what}`, ...told.slice(0, lines - 1).map((line) => `        ${line}`)].join('\n');
};

/**
 * Writes to $PROBITY_TEST_REPORT the line "PASSED FAILED" and then each failure, with more of it the fewer there are: tests, hooks, files that do
 * not load, and errors outside of them.
 */
export default class FailuresReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const passed = modules.reduce((sum, module) => sum + [...module.children.allTests('passed')].length, 0);
    const failures = [...modules.flatMap(failuresIn), ...unhandled.map((error) => ({ what: 'outside of a test', errors: [error] }))];
    const each = Math.max(1, Math.min(LINES_OF_A_FAILURE, Math.floor(LINES / failures.length)));
    const report = [`${passed} ${failures.length}`, ...failures.map((failure) => described(failure, each))];
    writeFileSync(process.env['PROBITY_TEST_REPORT'] ?? '/dev/stdout', `${report.join('\n')}\n`);
  }
}
