import { readCatalog } from '../database/catalog.ts';
import type { Catalog } from '../domain/catalog.ts';
import { processingRecord, type ProcessingRecord } from '../domain/processing/record.ts';
import type { Project } from './project.ts';

export { processingPage } from '../domain/processing/page.ts';
export { basisWords, keepingWords } from '../domain/processing/sentences.ts';
export type { ProcessingRecord } from '../domain/processing/record.ts';

/** The record of processing activities, from the manifest and what the databases are like now. Reads catalogs only, no rows. */
export async function recordOfProcessing({ manifest, hash, stores }: Project): Promise<ProcessingRecord> {
  const catalogs: Record<string, Catalog> = {};
  for (const [name, store] of stores) catalogs[name] = await readCatalog(store);
  return processingRecord({ manifest, hash, catalogs }, new Date());
}
