import type { KeyObject } from 'node:crypto';
import type { Faults } from '../database/faults.ts';
import type { Store } from '../database/store.ts';
import type { KeyProvider } from '../domain/requests/vault.ts';
import type { Manifest } from '../manifest/model.ts';

/** What activities need from the process that runs them. */
export interface ActivityDependencies {
  readonly home: Store;
  /** The manifest's store by name, connected with this process's secrets. */
  readonly store: (manifest: Manifest, name: string) => Store;
  /** The Ed25519 key that signs certificates; throws a clear error when none is configured. */
  readonly signingKey: () => KeyObject;
  /** The master keys of the vault; left out or null: none is configured, and what requesters gave is not read. */
  readonly vault?: () => KeyProvider | null;
  /** Milliseconds of this process's clock. */
  readonly now: () => number;
  readonly faults: Faults;
  /** What a manifest says, with this process's secrets in the place of their names. Throws `MissingSecret`. */
  readonly secret: (text: string) => string;
  readonly log: (message: string, attributes: Readonly<Record<string, unknown>>) => void;
}
