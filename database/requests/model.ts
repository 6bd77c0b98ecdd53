import type { RequestKind } from '../../domain/requests/model.ts';
import type { RequestState } from '../../domain/requests/state.ts';

/** A row of `probity.request`: says nothing of who asked. */
export interface RequestRow {
  readonly id: string;
  readonly kind: RequestKind;
  /** `*`: every one; null: none in particular. */
  readonly purpose: string | null;
  /** Of an erasure: Art. 17(1), by the names of `ErasureGround`. */
  readonly grounds: readonly string[];
  readonly state: RequestState;
  readonly receivedAt: Date;
  /** What we work by; see `Clock.target`. */
  readonly dueAt: Date;
  /** Null: not looked up yet. */
  readonly regimes: readonly string[] | null;
  readonly repeats: number;
  readonly extendedAt: Date | null;
  readonly pausedAt: Date | null;
  readonly pausedMs: number;
  readonly verifiedAt: Date | null;
  readonly verifiedBy: string | null;
  /** Code of the article. */
  readonly refusedBy: string | null;
  readonly closedAt: Date | null;
}
