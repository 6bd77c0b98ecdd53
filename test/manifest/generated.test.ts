import { format } from 'prettier';
import { expect, test } from 'vitest';
import { problemsPage } from '../../manifest/codes.ts';
import { manifestJsonSchema } from '../../manifest/json-schema.ts';

const STYLE = { printWidth: 140, singleQuote: true, trailingComma: 'all' } as const;

// After a wanted change: npx vitest run test/manifest/generated.test.ts -u
test('manifest.schema.json is what the zod schema says', async () => {
  const text = await format(JSON.stringify(manifestJsonSchema()), { ...STYLE, parser: 'json' });
  await expect(text).toMatchFileSnapshot('../../manifest/manifest.schema.json');
});

test('docs/problems.md is what the catalogue of codes says', async () => {
  const text = await format(problemsPage(), { ...STYLE, parser: 'markdown' });
  await expect(text).toMatchFileSnapshot('../../docs/problems.md');
});
