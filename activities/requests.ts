import { suppress, type Suppression } from '../database/serving/requests.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { guarded } from './failures.ts';

export interface RequestActivities {
  /** Which stores a request still waits for; it is marked when there is none. */
  readonly suppressed: (requestId: string) => Promise<Suppression>;
}

/** What happens to a request after the transaction that recorded it. Only its number comes in and only names of stores go out. */
export function requestActivities({ home }: Pick<ActivityDependencies, 'home'>): RequestActivities {
  return { suppressed: (requestId) => guarded(() => suppress(home, requestId)) };
}
