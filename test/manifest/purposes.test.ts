import { describe, expect, test } from 'vitest';
import { basisOf, basesOf, regimesOf } from '../../manifest/basis.ts';
import { parseManifestText } from '../../manifest/load.ts';
import type { Basis } from '../../manifest/model.ts';

/** `code message → fix` of every problem of a manifest with one store. */
const told = (text: string): string[] =>
  parseManifestText(`organisation: O\nstores: { shop: { url: x } }\n${text}`).problems.map(
    (it) => `${it.code} ${it.message} → ${it.fix ?? ''}`,
  );
const purpose = (text: string, more = ''): string[] => told(`purposes: { ads: ${text} }\n${more}`);
const REGIMES = 'regimes: { from: person.country, map: { US-CA: ccpa } }';
const PERSON = (birth: string): string => `subjects: { person: { table: shop.public.person, key: id${birth} } }`;

test('a contract may end on request; of what no contract is, that is refused with a sentence', () => {
  const { manifest, problems } = parseManifestText(
    'organisation: O\nstores: { s: { url: x } }\npurposes: { account: { basis: contract, ends: on_request } }',
  );
  expect(problems).toEqual([]);
  expect(manifest!.purposes['account']).toMatchObject({ ends: null, endsOnRequest: true });
  expect(purpose('{ basis: legal_obligation, ends: on_request }')).toEqual([
    'P031 `ads` rests on legal_obligation, which no request of a person ends → remove `ends`, or name the column with the time of the end',
  ]);
  expect(purpose('{ basis: { default: contract, ccpa: opt_out }, ends: on_request }', REGIMES).slice(0, 1)).toEqual([
    'P031 `ads` rests on opt_out, which an erasure ends anyway → remove `ends`',
  ]);
  expect(purpose('{ basis: contract, ends: on_requst }')).toEqual([expect.stringMatching(/on_requst/)]);
});

describe('the basis of a purpose', () => {
  test('a regime comes before a channel, and both before default', () => {
    const { manifest } = parseManifestText('organisation: O\nstores: { s: { url: x } }\nregimes: { map: { US-CA: ccpa } }');
    const one = (basis: Record<string, Basis>, channels: string[] = []) => ({ ...PURPOSE, basis, channels });
    const PURPOSE = parseManifestText('organisation: O\nstores: { s: { url: x } }\npurposes: { p: { basis: consent } }').manifest!.purposes[
      'p'
    ]!;
    expect(regimesOf(manifest!)).toEqual(['gdpr', 'ccpa']);
    const all = one({ default: 'consent', email: 'soft_opt_in', ccpa: 'opt_out' }, ['email', 'web']);
    expect([basisOf(all, 'email', 'gdpr'), basisOf(all, 'web', 'gdpr'), basisOf(all, 'email', 'ccpa')]).toEqual([
      'soft_opt_in',
      'consent',
      'opt_out',
    ]);
    expect(basesOf(all, manifest!)).toEqual(['soft_opt_in', 'consent', 'opt_out']);
    expect(basisOf(one({ other: 'contract' }), 'valueOf', 'toString')).toBeNull();
    expect(basisOf(PURPOSE, 'any', 'any')).toBe('consent');
  });

  test('a key that is nothing, with the nearest; a channel without a basis', () => {
    expect(purpose('{ channels: [email], basis: { default: consent, emial: soft_opt_in } }')).toEqual([
      'P024 `emial` is neither a channel of the purpose nor a regime → write `email`',
    ]);
    expect(purpose('{ channels: [email, web], basis: { email: consent } }')).toEqual([
      'P025 nothing says the basis on channel `web` under gdpr → add `default: …`',
    ]);
    expect(purpose('{ basis: { gdpr: consent } }', REGIMES.replace('from: person.country, ', ''))).toEqual([
      'P025 nothing says the basis under ccpa → add `default: …`',
    ]);
    expect(purpose('{ basis: { gdpr: consent, ccpa: contract } }', 'regimes: { map: { US-CA: ccpa } }')).toEqual([]);
  });

  test('consent on one channel does not mix with its absence on another', () => {
    expect(purpose('{ channels: [email, web], basis: { default: consent, web: legitimate_interests } }')).toEqual([
      'P023 under gdpr, `ads` rests on consent on one channel and on legitimate_interests on another → make two purposes, such as one for each basis',
    ]);
    expect(purpose('{ channels: [email, web], basis: { default: consent, email: soft_opt_in } }')).toEqual([]);
    expect(purpose('{ channels: [email, web], basis: { default: contract, email: public_task } }')).toEqual([]);
  });
});

describe('what a purpose says', () => {
  test('grants are spoken of where there are none', () => {
    expect(purpose('{ basis: contract, expires: P1Y, double_opt_in: true, minimum_age: 18 }').map((it) => it.slice(0, 64))).toEqual([
      'P026 `ads` rests on contract, so there is no grant that `expires',
      'P026 `ads` rests on contract, so there is no grant that `double_',
      'P026 `ads` rests on contract: nobody of unknown age is served, a',
    ]);
    expect(purpose('{ basis: { default: contract, ccpa: opt_out }, expires: P1Y }', 'regimes: { map: { US-CA: ccpa } }')).toEqual([]);
  });

  test('an age is asked for, and nobody’s is known', () => {
    expect(purpose('{ basis: consent, minimum_age: 16 }', PERSON(''))[0]).toContain('P027 no subject says when it was born');
    expect(purpose('{ basis: opt_out }', PERSON(''))[0]).toContain('P027');
    expect(purpose('{ basis: consent, minimum_age: 16 }', PERSON(', birth: born'))).toEqual([]);
  });

  test('readers that see behind the views', () => {
    expect(
      purpose('{ basis: consent, readers: [analyst, postgres, PUBLIC, pg_read_all_data, analyst] }').map((it) => it.slice(0, 22)),
    ).toEqual(['P029 `postgres` may re', 'P029 `PUBLIC` may read', 'P029 `pg_read_all_data', 'P017 the reader `analy']);
  });
});

describe('consent tables', () => {
  const source = (more: string): string[] =>
    told(`purposes: { ads: { basis: consent, channels: [email] } }
${PERSON('')}
consents: [{ table: shop.public.choice, subject: person, key: id, at: at, purpose: purpose, decision: decision, ${more} }]`);

  test('columns need no proof here', () => expect(source('channel: channel')).toEqual([]));
  test('names that are not declared', () => {
    const wrong = (key: string, value: string): string[] =>
      told(`purposes: { ads: { basis: consent, channels: [email] } }
${PERSON('')}
consents: [${JSON.stringify({ table: 'shop.public.choice', subject: 'person', key: 'id', at: 'at', purpose: { constant: 'ads' }, decision: 'd', ...(JSON.parse(`{"${key}":${value}}`) as object) })}]`);
    expect(wrong('subject', '"persn"')).toEqual(['P014 there is no subject `persn` → write `person`']);
    expect(wrong('subject', '"device"')).toEqual([]);
    expect(wrong('purpose', '{"constant":"adz"}')).toEqual(['P013 there is no purpose `adz` → write `ads`']);
    expect(wrong('purpose', '{"constant":"*"}')).toEqual([]);
    expect(wrong('channel', '{"constant":"emial"}')).toEqual(['P028 `ads` has no channel `emial` → write `email`']);
    expect(wrong('decision', '{"constant":"granting"}')[0]).toContain('P006');
    expect(wrong('decisions', '{"yes":"grantd"}')[0]).toContain('P006');
    expect(wrong('table', '"shp.public.choice"')[0]).toContain('P012');
  });
  test('the same twice', () => {
    const one = '{ table: shop.public.choice, subject: person, key: id, at: at, purpose: p, decision: d }';
    expect(told(`${PERSON('')}\nconsents: [${one}, ${one}]`)).toEqual(['P017 `choice` is read twice in the same way → remove one']);
  });
});

describe('the sink and the replicas', () => {
  test('a sink has a key, and it stands elsewhere', () => {
    expect(told("sink: { file: '${SINK}' }")[0]).toMatch(/^P005 .*key/);
    expect(told("sink: { file: '${SINK}', key: abc }")[0]).toContain('P019');
    expect(told("sink: { file: '${SINK}', key: '${KEY}' }")).toEqual([]);
  });
  test('a lease from a second to an hour', () => {
    expect(told('replicas: { lease: 100ms }')).toHaveLength(1);
    expect(parseManifestText('organisation: O\nstores: { s: { url: x } }\nreplicas: { lease: 2m }').manifest?.replicas.leaseMs).toBe(
      120_000,
    );
  });
});
