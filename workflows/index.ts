/** Every workflow of ours: what a worker's `workflowsPath` names, or what another bundle re-exports. */
export { retention } from './retention.ts';
