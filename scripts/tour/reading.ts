import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { connectTemporal } from '../../client/temporal.ts';
import { EXIT } from '../../cli/exit.ts';
import { makeStateFolder } from '../paths.ts';
import type { Story } from './story.ts';

/** Enough to keep the drafts of a person's databases apart. */
const NAME_DIGITS = 8;

/**
 * Over somebody else's database: draft a manifest, check it, plan. Starts no service, and changes nothing but files of ours.
 * Returns the exit code.
 */
export async function readingTour(story: Story, env: NodeJS.ProcessEnv): Promise<number> {
  const url = env['DATABASE_URL'] ?? '';
  story.say('DATABASE_URL is set: nothing is started, and your database is only read.');
  const folder = makeStateFolder('drafts', createHash('sha256').update(url).digest('hex').slice(0, NAME_DIGITS));
  const manifest = join(folder, 'probity.yaml');
  const here = { ...env, PROBITY_MANIFEST: manifest };
  await story.step('Draft a manifest', async () => {
    if (existsSync(manifest)) story.say(`  ${relative(process.cwd(), manifest)} is there already and stays as it is`);
    else await story.probity(here, ['init', 'DATABASE_URL', '--out', manifest]);
  });
  const checked = await story.step('Check it against the database', () => story.probity(here, ['check'], [EXIT.done, EXIT.usage]));
  if (checked !== EXIT.done) {
    story.say(`\nMend ${relative(process.cwd(), manifest)} as the messages say, then: npm start`);
    return EXIT.usage;
  }
  await story.step('What its rules would purge: a dry run that changes nothing', () => story.probity(here, ['retention', 'plan']));
  await story.step('Look for Temporal, which runs jobs and is not needed to plan', async () => {
    await connectTemporal(env).then(
      async ({ close }) => {
        story.say('  it answers');
        await close();
      },
      (error: unknown) => story.say(`  ${error instanceof Error ? error.message : 'It does not answer'}`),
    );
  });
  const path = relative(process.cwd(), manifest);
  story.say(`
Nothing was changed. Next:
  1. review ${path}: every guess is marked; keep it beside your code
  2. npm run probity -- retention plan --manifest ${path}
  3. when the plans look right: npm run probity -- migrate --manifest ${path}   (creates our schema; --print-sql shows it)
  4. npm run probity -- apply --manifest ${path}, and \`mode: enforce\` only after that`);
  return EXIT.done;
}
