import { expect, test } from 'vitest';
import pg from 'pg';
import { freshDatabase } from '../support/databases.ts';
test('x', async () => { const d = await freshDatabase(); const c = new pg.Client(d.url); await c.connect(); expect((await c.query('select 1 as a')).rows).toEqual([{a:1}]); await c.end(); await d.drop(); });
