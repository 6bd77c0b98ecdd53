#!/usr/bin/env node
import { processIo } from './io.ts';
import { runProbity } from './run.ts';

// Whoever reads our output may stop early, as `head` does.
process.stdout.on('error', () => process.exit());
process.exitCode = await runProbity(process.argv.slice(2), processIo());
