import { recordedHistories, type Recorded } from '../../support/replay.ts';
import { ACKNOWLEDGED, approvedErasure, MAILER, startRecipient } from './support.ts';
import { jobWorld, type JobChanges, type JobWorld } from './world.ts';

type Play = Recorded['scenarios'][string];

/** An erasure of customer 9 that was approved, after `prepare`; the last of the workflows that its number had. */
function erasing(prepare: (world: JobWorld, id: string) => Promise<unknown>, changes: JobChanges = {}): Play {
  return async () => {
    const world = await jobWorld(changes);
    try {
      const id = await approvedErasure(world, 9);
      await prepare(world, id);
      await world.carryOut(id);
      return await world.history(id);
    } finally {
      await world.close();
    }
  };
}

/** A recipient hears of it, who answers at once. */
const told: Play = async () => {
  const mailer = await startRecipient(() => ACKNOWLEDGED);
  try {
    const changes = { env: { MAILER_URL: mailer.url }, manifest: { recipients: { mailer: MAILER } } };
    return await erasing(() => Promise.resolve(), changes)();
  } finally {
    await mailer.close();
  }
};

recordedHistories({
  workflow: 'erasure',
  canaries: ['canary', 'Canary'],
  swapped: ['openErasure', 'scanStore'],
  scenarios: {
    plain: erasing(() => Promise.resolve()),
    drifted: erasing((world) => world.shop(`insert into page_view select 900000 + i, 9, '/' from generate_series(1, 500) i`)),
    found: erasing((world) => world.shop(`insert into memo values (9, 'person9@canary.example')`)),
    held: erasing((world) => world.probity(['hold', 'add', '--subject', 'customer', '--reason', 'case 12'], { input: '9\n' })),
    told,
  },
});
