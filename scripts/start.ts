import { parseArgs } from 'node:util';
import { processIo } from '../cli/io.ts';
import { EXIT } from '../cli/exit.ts';
import { failureOf } from '../client/failures.ts';
import { MissingFile } from './journey/load.ts';
import { NotOurDatabase } from './sample/company.ts';
import { acmeTour } from './tour/acme.ts';
import { guidedTour } from './tour/guided.ts';
import { journeyTour } from './tour/journey.ts';
import { readingTour } from './tour/reading.ts';
import { createStory, TourFailed } from './tour/story.ts';
import type { TourSubject } from './tour/subject.ts';

const USAGE = `npm start                                                  the sample company, with services of our own
npm start -- --once                                        the same, then stop everything
npm start -- --scale 3                                     a larger company (1 is 20,000 customers)
npm start -- --refill                                      make the data anew
npm start -- --data complete-journey --from DIR            real input (docs/complete-journey.md)
DATABASE_URL=postgres://… npm start                        your database: draft, check and plan; only reads`;

interface Arguments {
  readonly once: boolean;
  /** Null over a database of the user's. */
  readonly subject: TourSubject | null;
}

/** Null when the help was asked for. Throws `TourFailed` for what cannot be. */
function readArguments(): Arguments | null {
  const options = {
    once: { type: 'boolean', default: false },
    scale: { type: 'string' },
    refill: { type: 'boolean', default: false },
    data: { type: 'string' },
    from: { type: 'string' },
    help: { type: 'boolean', default: false },
  } as const;
  let values;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    throw new TourFailed(`${error instanceof Error ? error.message : 'Unknown option'}\n${USAGE}`, EXIT.usage);
  }
  const { once, refill, data, from, help } = values;
  if (help) return null;
  if ((process.env['DATABASE_URL'] ?? '') !== '') return { once, subject: null };
  if (data === undefined) {
    const scale = values.scale === undefined ? null : Number(values.scale);
    if (scale !== null && !(scale > 0)) throw new TourFailed(`--scale is a number above 0\n${USAGE}`, EXIT.usage);
    return { once, subject: acmeTour({ scale, refill }) };
  }
  if (data !== 'complete-journey' || from === undefined)
    throw new TourFailed(`--data complete-journey needs --from DIR\n${USAGE}`, EXIT.usage);
  return { once, subject: journeyTour({ from, refill }) };
}

const io = processIo();
const story = createStory(io);
const stops: (() => Promise<void>)[] = [];
let stopping: Promise<void> | null = null;

/** In the reverse order of starting, each once. */
function stopAll(): Promise<void> {
  stopping ??= (async () => {
    for (const stop of stops.reverse()) await stop().catch((error: unknown) => io.err(failureOf(error).message));
  })();
  return stopping;
}

const SHOW_CURSOR = '\u001b[?25h';
const STOPPED_BY_SIGNAL = 130;
let done = false;

async function interrupted(): Promise<never> {
  if (io.terminal) io.stream.write(SHOW_CURSOR);
  io.out('\nstopping; the next start goes on from here');
  await stopAll();
  process.exit(done ? EXIT.done : STOPPED_BY_SIGNAL);
}

async function main(): Promise<number> {
  const given = readArguments();
  if (given === null) {
    io.out(USAGE);
    return EXIT.done;
  }
  if (given.subject === null) return readingTour(story, process.env);
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => void interrupted());
  await guidedTour(given.subject, story, (stop) => stops.push(stop));
  done = true;
  if (given.once) return EXIT.done;
  story.say('\nCtrl-C stops everything.');
  return new Promise<number>(() => {
    // Until a signal comes; an empty event loop would end the process.
    setInterval(() => undefined, 2 ** 30);
  });
}

function exitCodeOf(error: unknown): number {
  if (error instanceof TourFailed) return error.exitCode;
  if (error instanceof NotOurDatabase || error instanceof MissingFile) return EXIT.usage;
  return { refused: EXIT.usage, unreachable: EXIT.unreachable, failed: EXIT.findings }[failureOf(error).kind];
}

let code: number;
try {
  code = await main();
} catch (error) {
  if (stopping === null) io.err(`\n${error instanceof Error ? error.message : String(error)}`);
  if ((process.env['PROBITY_DEBUG'] ?? '') !== '' && error instanceof Error) io.err(error.stack ?? '');
  code = exitCodeOf(error);
}
await stopAll();
process.exit(code);
