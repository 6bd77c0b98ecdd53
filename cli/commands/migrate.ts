import { Command } from 'commander';
import { requireManifest } from '../../client/manifest.ts';
import { migrateStores, migrationScripts } from '../../client/migrate.ts';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';

interface Options {
  readonly store?: string;
  readonly printSql?: boolean;
}

export function migrateCommand(context: Context): Command {
  const { io, colours } = context;
  return new Command('migrate')
    .description('Create or update the schema `probity` in each store. Needed to enforce, not to plan.')
    .option('--store <name>', 'only this store of the manifest')
    .option('--print-sql', 'print the SQL for an empty store instead, for people who apply SQL themselves; connects to nothing')
    .addHelpText('after', examples('probity migrate', 'probity migrate --print-sql --store shop | psql "$DATABASE_URL"'))
    .action(async ({ store, printSql }: Options, command: Command) => {
      const only = store ?? null;
      if (printSql === true) {
        const { manifest } = await requireManifest(context.globals(command).manifest);
        for (const script of migrationScripts(manifest, only)) io.out(`-- store ${script.store}\n${script.sql.trimEnd()}`);
        return;
      }
      await context.withProject(command, async (project, { json }) => {
        const migrated = await migrateStores(project, only);
        if (json) return io.out(JSON.stringify(migrated, null, 2));
        for (const { store: name, applied } of migrated) {
          io.out(`${colours.green('✓')} ${name}: ${applied.length === 0 ? 'up to date' : `applied ${applied.join(', ')}`}`);
        }
      });
    });
}
