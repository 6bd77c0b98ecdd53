import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';

/** A new folder that goes with the run. */
export const temporaryFolder = (name = 'folder'): string => mkdtempSync(join(inject('temporaryFolder'), `${name}-`));
