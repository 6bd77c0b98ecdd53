/** Words of requests that the command lists, checks and shows. */
export { articlesFor, REFUSAL_ARTICLES, type RefusalArticle } from '../../domain/requests/articles.ts';
export {
  CANCEL_REASONS,
  ERASURE_GROUNDS,
  EXTENSION_REASONS,
  groundsText,
  VERIFICATION_METHODS,
  type VerificationMethod,
} from '../../domain/requests/kinds.ts';
export { isOver, LEDGER_KINDS, REQUEST_KINDS } from '../../domain/requests/state.ts';
export { STOPPED } from '../../domain/requests/waits.ts';
