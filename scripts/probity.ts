import { processIo } from '../cli/io.ts';
import { runProbity } from '../cli/run.ts';
import { readSession } from './tour/session.ts';

/**
 * `npm run probity -- …`: the command, and while `npm start` runs, with the settings of its services. Settings of one's own come first:
 * with DATABASE_URL set nothing is added.
 */
const session = process.env['DATABASE_URL'] === undefined ? readSession() : null;
// Temporal's worker and client read the process's own environment.
for (const [name, value] of Object.entries(session ?? {})) process.env[name] ??= value;
process.stdout.on('error', () => process.exit());
process.exitCode = await runProbity(process.argv.slice(2), processIo());
