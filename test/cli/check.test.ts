import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runProbity } from '../../cli/run.ts';
import { freshDatabase } from '../support/databases.ts';
import { temporaryFolder } from '../support/folders.ts';

const NOBODY = 'postgres://someone:hidden-word@127.0.0.1:1/nothing';

async function checked(env: Readonly<Record<string, string>>): Promise<{ readonly code: number; readonly said: string }> {
  const file = join(temporaryFolder('check'), 'probity.yaml');
  writeFileSync(
    file,
    `organisation: O\ntimezone: UTC\nstores:\n  shop: { url: "\${SHOP_URL}", home: true }\n  support: { url: "\${SUPPORT_URL}" }\n`,
  );
  let said = '';
  const say = (text: string): void => void (said += `${text}\n`);
  const code = await runProbity(['check', '--manifest', file], {
    env,
    out: say,
    err: say,
    stream: process.stdout,
    terminal: false,
    colour: false,
    width: null,
    input: () => Promise.resolve(''),
  });
  return { code, said };
}

test('a check that saw no store has checked nothing, and one that saw some says which not, each with why', async () => {
  const database = await freshDatabase();
  try {
    const none = await checked({ SHOP_URL: NOBODY, SUPPORT_URL: NOBODY });
    expect(none.code).toBe(4);
    expect(none.said).not.toContain('✓');
    expect(none.said).toContain('no store was looked at');
    expect(none.said).toContain('nobody listens at 127.0.0.1:1');
    expect(none.said).not.toContain('hidden-word');

    const one = await checked({ SHOP_URL: database.url, SUPPORT_URL: NOBODY });
    expect(one.code).toBe(4);
    expect(one.said).not.toContain('✓');
    expect(one.said).toContain('looked at shop, not at support');

    const both = await checked({ SHOP_URL: database.url, SUPPORT_URL: database.url });
    expect(both).toMatchObject({ code: 0, said: expect.stringMatching(/✓ .*looked at shop, support\n/) as string });
  } finally {
    await database.drop();
  }
});
