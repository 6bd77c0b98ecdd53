import { StoreError } from '../database/errors.ts';
import { check, errorsIn } from './check.ts';
import { ManifestRefused } from './manifest.ts';
import type { Project } from './project.ts';

/**
 * Runs something that compiles rules. When it fails because manifest and database do not fit, the check says it better:
 * throws `ManifestRefused` with the places in the manifest.
 */
export async function planning<T>(project: Project, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof StoreError && error.kind !== 'schema') throw error;
    const { problems } = await check(project.path, project.env, 'observe');
    if (errorsIn(problems).length > 0) throw new ManifestRefused(project.path, problems);
    throw error;
  }
}
