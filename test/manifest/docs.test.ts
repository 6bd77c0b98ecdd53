import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { CatalogTable } from '../../domain/catalog.ts';
import { planErasure } from '../../domain/requests/erasure.ts';
import type { RemainingPurpose, StoreErasure } from '../../domain/requests/model.ts';
import { erasureScope } from '../../domain/requests/remaining.ts';
import { CODES } from '../../manifest/codes.ts';
import { manifestJsonSchema } from '../../manifest/json-schema.ts';
import { parseManifestText } from '../../manifest/load.ts';
import type { Manifest } from '../../manifest/model.ts';
import { catalog, key, table } from '../domain/check/catalogs.ts';

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

/** The example after these words, with the rest of a manifest around it. */
function exampleAfter(words: string, around: string): Manifest {
  const example = /```yaml\n([\s\S]*?)```/.exec(page.slice(page.indexOf(words)))![1]!;
  const loaded = parseManifestText(`organisation: O\nstores: { shop: { url: x } }\n${around}${example}`);
  expect(loaded.problems).toEqual([]);
  return loaded.manifest!;
}

describe('what no column says', () => {
  const CUSTOMER = 'subjects: { customer: { table: shop.public.customer, key: customer_id } }\n';
  const customer = table('customer', ['customer_id int8 not null', 'name text'], {
    primaryKey: ['customer_id'],
    uniques: [['customer_id']],
  });
  const to = (column: string) => key(column, 'customer', { name: `to_${column}`, referencedColumns: ['customer_id'] });
  const planned = (manifest: Manifest, other: CatalogTable, remaining: readonly RemainingPurpose[] = []): StoreErasure => {
    const rest = { [`shop.public.${other.name}`]: bare, 'shop.public.customer': bare };
    return planErasure('customer', { ended: null, remaining }, catalog(customer, other), {
      ...manifest,
      tables: { ...rest, ...manifest.tables },
    });
  };
  const bare = parseManifestText('organisation: O\nstores: { shop: { url: x } }\ntables: { shop.public.t: {} }').manifest!.tables[
    'shop.public.t'
  ]!;

  test('an account that ends on request keeps nothing of an erasure', () => {
    const manifest = exampleAfter('#### An end that no column knows', CUSTOMER);
    const facts = { regime: 'gdpr', answers: { account: { allowed: true, reason: 'basis_holds' } } } as const;
    const asked = { kind: 'erasure', purposes: [], channel: null, upheld: [] } as const;
    expect(erasureScope({ ...asked, grounds: ['no_longer_necessary'] }, facts, manifest).remaining).toEqual([]);
    expect(erasureScope({ ...asked, grounds: ['consent_withdrawn'] }, facts, manifest).remaining).toHaveLength(1);
  });

  test('messages between two go with the last of them', () => {
    const columns = ['message_id int8 not null', 'sender_id int8', 'recipient_id int8', 'sender_name text', 'recipient_name text'];
    const message = table('message', columns, { primaryKey: ['message_id'], foreignKeys: [to('sender_id'), to('recipient_id')] });
    const plan = planned(exampleAfter('**Messages between two**', CUSTOMER), message);
    expect(plan.problems).toEqual([]);
    const found = plan.tables.find((it) => it.table === 'public.message')!;
    expect(found.owners.map((it) => it.columns.join())).toEqual(['recipient_id', 'sender_id']);
    expect(found.mentions.flatMap((it) => it.columns).toSorted()).toEqual(['recipient_name', 'sender_name']);
  });

  test('an audit log stays whoever goes', () => {
    const entry = table('audit_entry', ['entry_id int8 not null', 'customer_id int8', 'customer_name text', 'done text'], {
      primaryKey: ['entry_id'],
      foreignKeys: [to('customer_id')],
    });
    const plan = planned(exampleAfter('**Rows that stay whoever goes**', CUSTOMER), entry);
    expect(plan.problems).toEqual([]);
    expect(plan.staying?.map((it) => it.table)).toEqual(['public.audit_entry']);
    const found = plan.tables.find((it) => it.table === 'public.audit_entry')!;
    expect([found.rows, found.mentions.flatMap((it) => it.columns)]).toEqual(['keep', ['customer_name']]);
  });
});

test('every code of the catalogue is used, once a meaning', async () => {
  const files = globSync('{manifest,domain/check}/**/*.ts').filter((file) => !file.endsWith('codes.ts'));
  const text = (await Promise.all(files.map((file) => readFile(file, 'utf8')))).join('\n');
  expect(Object.keys(CODES).filter((code) => !text.includes(`'${code}'`))).toEqual([]);
});
