import { Command } from 'commander';
import { requireManifest } from '../../client/manifest.ts';
import { Refused } from '../../client/refused.ts';
import { inForce, SHOWN_HASH, versions } from '../../client/versions.ts';
import { manifestJsonSchema } from '../../manifest/json-schema.ts';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';
import { textTable } from '../table.ts';

export function manifestCommand(context: Context): Command {
  const { io } = context;
  const group = new Command('manifest').description('Show manifests: the file, the versions in force, the schema for editors.');

  group
    .command('show')
    .description('Print the canonical form, every default filled in, as JSON.')
    .option('--in-force', 'of the version that runs pin now, instead of the file')
    .addHelpText('after', examples('probity manifest show', 'probity manifest show --in-force'))
    .action(async (options: { readonly inForce?: boolean }, command: Command) => {
      if (options.inForce !== true) {
        const { manifest } = await requireManifest(context.globals(command).manifest);
        return io.out(JSON.stringify(manifest, null, 2));
      }
      await context.withProject(command, async (project) => {
        const version = await inForce(project);
        if (version === null) throw new Refused('No manifest is in force yet: run `probity apply`');
        io.out(JSON.stringify(version.manifest, null, 2));
      });
    });

  group
    .command('hash')
    .description('Print the hash that is the version of the manifest file.')
    .addHelpText('after', examples('probity manifest hash'))
    .action(async (_options: unknown, command: Command) => io.out((await requireManifest(context.globals(command).manifest)).hash));

  group
    .command('versions')
    .description('List every version that was put in force, the newest first.')
    .addHelpText('after', examples('probity manifest versions --json'))
    .action(async (_options: unknown, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const found = (await versions(project)).map(({ version, hash, mode, appliedAt, appliedBy }) => ({
          version,
          hash,
          mode,
          appliedAt,
          appliedBy,
        }));
        if (json) return io.out(JSON.stringify(found, null, 2));
        if (found.length === 0) return io.out('No manifest is in force yet: run `probity apply`');
        const rows = found.map((it) => [
          String(it.version),
          it.hash.slice(0, SHOWN_HASH),
          it.mode,
          it.appliedAt.toISOString(),
          it.appliedBy,
        ]);
        io.out(
          textTable(
            [{ title: 'version', align: 'right' }, { title: 'hash' }, { title: 'mode' }, { title: 'applied' }, { title: 'by' }],
            rows,
            io.width,
          ),
        );
      });
    });

  group
    .command('schema')
    .description('Print the JSON Schema that editors complete and check manifests with.')
    .addHelpText('after', examples('probity manifest schema > probity.schema.json'))
    .action(() => io.out(JSON.stringify(manifestJsonSchema(), null, 2)));

  return group;
}
