import { createServer, request, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { consentRecorder, gpcOptOut, gpcPurposes, gpcSignal, permission, recordConsents } from '../../index.ts';
import { consentShop, type ConsentShop } from './support.ts';

let shop: ConsentShop;
beforeAll(async () => {
  shop = await consentShop();
});
afterAll(() => shop.close());

test.each<[IncomingHttpHeaders | Headers, boolean]>([
  [{ 'sec-gpc': '1' }, true],
  [new Headers({ 'Sec-GPC': '1' }), true],
  [{}, false],
  [new Headers(), false],
  [{ 'sec-gpc': '0' }, false],
  [{ 'sec-gpc': '' }, false],
  [{ 'sec-gpc': '01' }, false],
  [{ 'sec-gpc': '1;q' }, false],
  [{ 'sec-gpc': 'true' }, false],
  [{ 'sec-gpc': '1, 1' }, false],
  [{ 'sec-gpc': ['1', '1'] as unknown as string }, false],
  [{ dnt: '1' }, false],
])('%j is a signal: %s', (headers, signal) => {
  expect(gpcSignal(headers)).toBe(signal);
});

test('objects to what runs until somebody opts out, and to direct marketing, not to what was chosen', () => {
  expect(gpcPurposes(shop.project.manifest)).toEqual(['offers', 'sale', 'direct']);
});

test('a web server records the signal of a device once, and a later choice stands', async () => {
  const { project } = shop;
  const recorder = consentRecorder(project, { actor: 'shop', door: 'signal' });
  const server = createServer((incoming, response) => {
    const device = /device=([\w-]+)/.exec(incoming.headers.cookie ?? '')?.[1];
    const entries = device === undefined ? [] : gpcOptOut(project.manifest, incoming.headers, { subject: 'device', key: [device] });
    Promise.all(entries.map((entry) => recorder.record(entry))).then(
      (recorded) => response.end(JSON.stringify(recorded.map((it) => it.recordId !== null))),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const get = (headers: Record<string, string | string[]>): Promise<unknown> =>
    new Promise((done, failed) => {
      request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', headers }, (answer) => {
        let text = '';
        answer
          .setEncoding('utf8')
          .on('data', (chunk: string) => (text += chunk))
          .on('end', () => done(JSON.parse(text)));
      })
        .on('error', failed)
        .end();
    });
  const may = (purpose: string) => permission(project, { subject: 'device', key: ['d-1'] }, { purpose });
  try {
    expect(await get({ cookie: 'device=d-1' })).toEqual([]);
    expect(await get({ cookie: 'device=d-1', 'sec-gpc': '0' })).toEqual([]);
    expect(await get({ cookie: 'device=d-1', 'sec-gpc': ['1', '1'] })).toEqual([]);
    await recordConsents(project, [{ subject: 'device', key: ['d-1'], purpose: 'offers', decision: 'asked' }], { actor: 'shop' });
    expect([await may('direct'), await may('offers')]).toEqual([true, true]);
    expect(await get({ cookie: 'device=d-1', 'sec-gpc': '1' })).toEqual([true, true, true]);
    expect([await may('direct'), await may('offers'), await may('sale')]).toEqual([false, false, false]);
    await recordConsents(project, [{ subject: 'device', key: ['d-1'], purpose: 'direct', decision: 'granted' }], { actor: 'shop' });
    expect(await get({ cookie: 'device=d-1', 'sec-gpc': '1' })).toEqual([false, false, false]);
    expect(await may('direct')).toBe(true);
  } finally {
    await recorder.close();
    await new Promise((closed) => server.close(closed));
  }
});
