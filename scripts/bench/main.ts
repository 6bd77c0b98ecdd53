import { benchConsentImport } from './consent-import.ts';
import { WrongUsage } from './options.ts';
import { benchPermission } from './permission.ts';
import { benchRequests } from './requests.ts';
import { benchRetention } from './retention.ts';
import { benchViews } from './views.ts';

const BENCHES: Readonly<Record<string, { readonly about: string; readonly run: (args: readonly string[]) => Promise<void> }>> = {
  'consent-import': { about: 'imports of consent against COPY and INSERTs', run: benchConsentImport },
  permission: { about: 'withdrawals of 200 callers, answers in SQL, the lag of replicas', run: benchPermission },
  requests: { about: 'requests from opened to certificate, alone and in bulk, against SQL by hand', run: benchRequests },
  retention: { about: 'purges against a plain DELETE and the usual loop, alone and beside an application', run: benchRetention },
  views: { about: 'purpose-bound views against the bare table', run: benchViews },
};

/** `npm run bench -- NAME [options]`; without a name it lists what there is. */
const [name, ...args] = process.argv.slice(2);
const bench = name === undefined ? undefined : BENCHES[name];
if (bench === undefined) {
  const known = Object.entries(BENCHES).map(([each, { about }]) => `  ${each}   ${about}`);
  console.log(`npm run bench -- NAME [--help]\n\n${known.join('\n')}`);
  process.exitCode = name === undefined || name === '--help' ? 0 : 2;
} else {
  try {
    await bench.run(args);
  } catch (error) {
    if (!(error instanceof WrongUsage)) throw error;
    console.error(`${error.message}\n\nnpm run bench -- ${name} --help`);
    process.exitCode = 2;
  }
}
