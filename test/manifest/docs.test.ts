import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { CODES } from '../../manifest/codes.ts';
import { manifestJsonSchema } from '../../manifest/json-schema.ts';
import { parseManifestText } from '../../manifest/load.ts';

const page = await readFile('docs/manifest.md', 'utf8');

/** Every key that the schema knows anywhere. */
function keysOf(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const properties = 'properties' in schema && typeof schema.properties === 'object' ? Object.keys(schema.properties ?? {}) : [];
  return [...properties, ...Object.values(schema).flatMap(keysOf)];
}

test('docs/manifest.md names every key', () => {
  const known = new Set(keysOf(manifestJsonSchema()).filter((key) => key !== '$schema'));
  expect(known.size).toBeGreaterThan(80);
  const words = new Set(page.match(/[A-Za-z_]+/g));
  expect([...known].filter((key) => !words.has(key))).toEqual([]);
});

test('its first example loads without a problem', () => {
  const example = /```yaml\n([\s\S]*?)```/.exec(page)![1]!;
  expect(parseManifestText(example).problems).toEqual([]);
});

test('every code of the catalogue is used, once a meaning', async () => {
  const files = globSync('{manifest,domain/check}/**/*.ts').filter((file) => !file.endsWith('codes.ts'));
  const text = (await Promise.all(files.map((file) => readFile(file, 'utf8')))).join('\n');
  expect(Object.keys(CODES).filter((code) => !text.includes(`'${code}'`))).toEqual([]);
});
