/** `B-1001`: several requests that are planned, approved and carried out as one. */
export function isBatch(id: string): boolean {
  return /^B-\d{1,15}$/.test(id);
}
