import { defineConfig } from 'vitest/config';

/** Real servers, kills and recoveries: a step that takes a second alone may take a minute beside others on a small machine. */
const TEST_LIMIT_MS = 120_000;
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
