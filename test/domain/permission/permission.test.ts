import fc from 'fast-check';
import { expect, test } from 'vitest';
import { permission } from '../../../domain/permission/permission.ts';
import { permissionRules } from '../../../domain/permission/rules.ts';
import { addDuration } from '../../../domain/time.ts';
import { addSlowly, naive } from '../../permission/naive.ts';
import { CHANNELS, factsOf, instant, LENGTHS, life, PURPOSES, purposes, ZONES } from '../../permission/worlds.ts';
import { manifestOf } from '../../permission/manifests.ts';

const RUNS = 2_000;

test('equals a naive evaluator over random manifests and lives, in any order of arrival', () => {
  let yes = 0;
  let asked = 0;
  fc.assert(
    fc.property(
      purposes,
      life,
      fc.constantFrom(...ZONES),
      fc.array(instant, { maxLength: 2 }),
      fc.infiniteStream(fc.nat()),
      (declared, one, zone, others, dice) => {
        const manifest = manifestOf(declared, zone).manifest;
        const rules = permissionRules(manifest);
        const facts = factsOf(one, manifest.purposes);
        const shuffled = one.history
          .map((it) => [dice.next().value, it] as const)
          .sort(([a], [b]) => a - b)
          .map(([, it]) => it);
        const times = new Set([...others, ...one.history.flatMap((it) => [it.capturedAt, it.receivedAt, it.expiresAt ?? 0])]);
        for (const time of times) {
          for (const at of [time - 1, time, time + 1]) {
            for (const purpose of PURPOSES) {
              for (const channel of [null, ...CHANNELS]) {
                const answer = permission(rules, shuffled, facts, { purpose, channel, at });
                asked++;
                if (answer.allowed) yes++;
                expect(answer.allowed).toBe(naive(rules, one.history, facts, { purpose, channel, at }));
              }
            }
          }
        }
      },
    ),
    { numRuns: RUNS / 10 },
  );
  // A test of which all answers are no would be worth nothing.
  expect(yes / asked).toBeGreaterThan(0.1);
});

test('adding a duration equals searching the clock', () => {
  fc.assert(
    fc.property(instant, fc.constantFrom(...LENGTHS), fc.constantFrom(...ZONES), (at, length, zone) => {
      const ms = Math.floor(at / 1000);
      expect(addDuration(new Date(ms), length, zone).getTime() * 1000 + (at - ms * 1000)).toBe(addSlowly(at, length, zone));
    }),
    { numRuns: RUNS },
  );
});
