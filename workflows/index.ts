/** Every workflow of ours: what a worker's `workflowsPath` names, or what another bundle re-exports. */
export { retention } from './retention.ts';
export { withdrawal } from './requests.ts';
export { consents } from './consents.ts';
export { erasure } from './erasures.ts';
export { notices } from './notices.ts';
export { news } from './news.ts';
export { keeper } from './keeper.ts';
export { obligation } from './obligations.ts';
