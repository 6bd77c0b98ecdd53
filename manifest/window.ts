export const WINDOW_PATTERN = '^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$';
const WINDOW = new RegExp(WINDOW_PATTERN);

/** A daily window in minutes after local midnight. `to` may be below `from`: then it passes midnight. */
export interface DailyWindow {
  readonly from: number;
  readonly to: number;
}

/** Reads `HH:MM-HH:MM`; null when malformed or empty. `24:00` is allowed as the end. */
export function parseWindow(text: string): DailyWindow | null {
  if (!WINDOW.test(text)) return null;
  const [from, to] = text.split('-').map(minutesOf);
  return from === undefined || to === undefined || from === to ? null : { from, to };
}

function minutesOf(time: string): number {
  return Number.parseInt(time.slice(0, 2), 10) * 60 + Number.parseInt(time.slice(3), 10);
}
