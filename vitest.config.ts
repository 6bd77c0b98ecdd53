import { defineConfig } from 'vitest/config';

/**
 * Real servers, kills and recoveries: what takes ten seconds alone has taken two minutes on a machine with other work. A limit only ends what
 * hangs; too short, it fails what is right.
 */
const TEST_LIMIT_MS = 300_000;
/** Two files at once keep two cores busy; more would only make each other's timings meaningless. */
const FILES_AT_ONCE = 2;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global.ts'],
    // Threads crash the SDK's native bridge.
    pool: 'forks',
    maxWorkers: FILES_AT_ONCE,
    testTimeout: TEST_LIMIT_MS,
    hookTimeout: TEST_LIMIT_MS,
    teardownTimeout: TEST_LIMIT_MS,
  },
});
