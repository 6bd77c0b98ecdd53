import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { postNotice, type Delivery } from '../../activities/notice-webhook.ts';

const { privateKey } = generateKeyPairSync('ed25519');
const paths: string[] = [];
let authorization: string | undefined;
let server: Server;
let port = 0;
beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume();
    paths.push(request.url ?? '');
    authorization = request.headers.authorization;
    if (request.url === '/moved') response.writeHead(307, { location: '/elsewhere' }).end();
    else if (request.url === '/down') response.writeHead(503).end('canary');
    else if (request.url === '/long') response.end(`{"acknowledged": true, "more": "${'x'.repeat(1_000_000)}"}`);
    else if (request.url === '/odd') response.end('{"acknowledged": "yes"}');
    else response.end('{"acknowledged": true}');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  port = (server.address() as AddressInfo).port;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});

const post = (address: string): Promise<Delivery> => postNotice(address, 'id', '{}', new Date(), privateKey);
const at = (path: string, user = ''): string => `http://${user}127.0.0.1:${port}${path}`;

test('people go to the declared address and nowhere else, and never in the clear beyond this machine', async () => {
  expect(await post(at('/moved'))).toEqual({ delivered: false, problem: 'redirected' });
  expect(paths).not.toContain('/elsewhere');
  const before = paths.length;
  expect(await post(`http://127.0.0.1.example:${port}/`)).toEqual({ delivered: false, problem: 'not_https' });
  expect(await post('http://localhost.example/')).toEqual({ delivered: false, problem: 'not_https' });
  expect(await post('nowhere')).toEqual({ delivered: false, problem: 'no_url' });
  expect(paths).toHaveLength(before);
});

test('what goes wrong is told in a word of ours; what is not said is not acknowledged', async () => {
  expect(await post(at('/down'))).toEqual({ delivered: false, problem: 'http_503' });
  expect(await post('http://127.0.0.1:1/')).toEqual({ delivered: false, problem: 'out_of_reach' });
  expect(await post(at('/long'))).toEqual({ delivered: true, acknowledged: false });
  expect(await post(at('/odd'))).toEqual({ delivered: true, acknowledged: false });
  expect(await post(at('/', 'us%40er:pa%3Ass@'))).toEqual({ delivered: true, acknowledged: true });
  expect(authorization).toBe(`Basic ${Buffer.from('us@er:pa:ss').toString('base64')}`);
});
