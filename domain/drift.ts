// Data goes on changing while somebody decides. Within this an approval still says what was meant; tighter, and busy tables could never be approved.
const DRIFT_SHARE = 0.1;
const DRIFT_ROWS = 100;

/** Whether so many more rows would change now than were shown that it must be decided again. */
export function beyondShown(shown: number, now: number): boolean {
  return now > shown * (1 + DRIFT_SHARE) + DRIFT_ROWS;
}
