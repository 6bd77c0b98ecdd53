import { inject } from 'vitest';

/** host:port of this run's Temporal server. */
export const temporalAddress = (): string => inject('temporalAddress');

/** A namespace of its own, so that nothing depends on what `default` happens to be. */
export const temporalNamespace = (): string => inject('temporalNamespace');

/** Files to search for what must not be in them. SQLite writes to `FILE-wal` first. */
export const temporalFiles = (): readonly string[] => [
  inject('temporalDatabase'),
  `${inject('temporalDatabase')}-wal`,
  inject('temporalLog'),
];
