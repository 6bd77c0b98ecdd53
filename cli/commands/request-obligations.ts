import { Command } from 'commander';
import { obligations, protection } from '../../client/requests/obligations.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { obligationsText } from '../obligation-text.ts';

/** A page of a printed list; `--json` has the same. */
const MOST = 1_000;

export function requestObligations(context: Context): Command[] {
  return [obligationsCommand(context), protectCommand(context)];
}

function obligationsCommand(context: Context): Command {
  const { io } = context;
  return new Command('obligations')
    .description('List what a law keeps after erasures, by the day on which it goes. Exit code 1: a day has passed and something is still there.')
    .option('--all', 'those that are discharged, too')
    .addHelpText('after', examples('probity request obligations', 'probity request obligations --all --json'))
    .action(async ({ all }: { readonly all?: boolean }, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const found = await obligations(project, { request: null, open: all !== true, limit: MOST });
        if (found.some(({ state, waits }) => state === 'open' && waits !== null)) context.exit(EXIT.findings);
        if (json) return io.out(JSON.stringify(found, null, 2));
        if (found.length === 0) return io.out('No obligation');
        io.out(obligationsText(found, project.manifest.timezone, io.width));
      });
    }); // prettier-ignore
}

function protectCommand(context: Context): Command {
  const { io } = context;
  return new Command('protect')
    .description('Print triggers that let nobody but Probity change rows which a law keeps of erased people. Run them yourself, where you own the tables.')
    .option('--sql', 'the SQL alone')
    .addHelpText('after', examples('probity request protect --sql | psql "$DATABASE_URL"'))
    .action(async ({ sql }: { readonly sql?: boolean }, command: Command) => {
      await context.withProject(command, async (project) => {
        const found = await protection(project);
        if (found.length === 0) return io.err('No table of the manifest has a floor');
        for (const it of found) io.out(found.length === 1 && sql === true ? it.sql : `-- store ${it.store}\n${it.sql}`);
        if (sql !== true) io.err('Nothing was run: give it to whoever owns the tables');
      });
    }); // prettier-ignore
}
