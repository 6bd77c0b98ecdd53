import type { PermissionScene } from './permission.ts';
import type { RequestScene } from './requests.ts';
import type { Story } from './story.ts';

/** What a tour is about: databases that we make, the manifest over them, and what is to be seen. */
export interface TourSubject {
  readonly name: string;
  /** Environment variable ← database on our server, the home store first. */
  readonly databases: Readonly<Record<string, string>>;
  readonly manifest: string;
  /** For `run --as-of`; null judges by now. */
  readonly asOf: string | null;
  /** Fills the databases, unless they are filled already. `urls` by variable. Returns false when there was nothing to do. */
  readonly fill: (urls: Readonly<Record<string, string>>, story: Story) => Promise<boolean>;
  /** Looks at what is left afterwards; throws `TourFailed` when it is not what it must be. */
  readonly examine: (urls: Readonly<Record<string, string>>, story: Story) => Promise<void>;
  readonly permission: PermissionScene;
  readonly requests: RequestScene;
  /** Commands to try next, without `probity`. */
  readonly next: readonly string[];
}
