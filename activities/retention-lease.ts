import { LEASE_MS, renewLease, type Lease } from '../database/lease.ts';
import type { Store } from '../database/store.ts';

/** One call works this long at most, so that histories stay small and a pause is felt. Milliseconds. */
export const CALL_BUDGET_MS = 30_000;
/** The lease outlives a few renewals that fail. Milliseconds. */
const RENEW_MS = LEASE_MS / 6;

/** Keeps the lease alive by the clock, whatever a single batch takes. */
export async function whileLeased<T>(store: Store, lease: Lease, act: (lost: () => boolean) => Promise<T>): Promise<T> {
  let failure: unknown = null;
  const renewals = setInterval(() => {
    renewLease(store, lease).catch((error: unknown) => (failure = error));
  }, RENEW_MS);
  try {
    return await act(() => failure !== null);
  } finally {
    clearInterval(renewals);
  }
}
