const THOUSANDS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `812,004` */
export function count(value: number): string {
  return THOUSANDS.format(value);
}

/** `+1,204`, `-3`, `±0` */
export function signed(value: number): string {
  return value === 0 ? '±0' : `${value > 0 ? '+' : '-'}${count(Math.abs(value))}`;
}

/** `1 row`, `37 rows` */
export function rows(value: number): string {
  return `${count(value)} row${value === 1 ? '' : 's'}`;
}

/** `0.4 s`, `12 s`, `3 min`, `2 h` */
export function seconds(value: number): string {
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 120) return `${Math.round(value)} s`;
  return value < 7_200 ? `${Math.round(value / 60)} min` : `${Math.round(value / 3_600)} h`;
}
