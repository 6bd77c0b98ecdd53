import { recordedHistories, type Recorded } from '../../support/replay.ts';
import { jobWorld, type JobWorld } from './world.ts';

type Play = Recorded['scenarios'][string];

/** An erasure of customer 9 that was approved, after `prepare`; the last of the workflows that its number had. */
function erasing(prepare: (world: JobWorld, id: string) => Promise<unknown>): Play {
  return async () => {
    const world = await jobWorld();
    try {
      await world.shop(`update customer set closed_at = now() - interval '1 day' where customer_id = 9`);
      const open = ['request', 'open', '--subject', 'customer', '--kind', 'erasure', '--ground', 'no_longer_necessary'];
      const { out } = await world.probity([...open, '--verified-by', 'login', '--evidence', 'SESSION-1'], { input: '9\n' });
      const id = /R-\d+/.exec(out)![0];
      const plan = /--plan ([0-9a-f]{12})/.exec((await world.probity(['request', 'plan', id])).out)![1]!;
      await world.probity(['request', 'approve', id, '--plan', plan], { token: world.tokens.anna });
      await prepare(world, id);
      await world.carryOut(id);
      return await world.history(id);
    } finally {
      await world.close();
    }
  };
}

recordedHistories({
  workflow: 'erasure',
  canaries: ['canary', 'Canary'],
  swapped: ['openErasure', 'scanStore'],
  scenarios: {
    plain: erasing(() => Promise.resolve()),
    drifted: erasing((world) => world.shop(`insert into page_view select 900000 + i, 9, '/' from generate_series(1, 500) i`)),
    found: erasing((world) => world.shop(`insert into memo values (9, 'person9@canary.example')`)),
    held: erasing((world) =>
      world.probity(['hold', 'add', '--subject', 'customer', '--key', '-', '--reason', 'case 12'], { input: '9\n' }),
    ),
  },
});
