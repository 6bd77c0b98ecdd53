import { snake } from '../words.ts';

/** People who did something to a row, received it or work on it. Singular; `staff` stands for itself. */
const ROLES = new Set(
  [
    'addressee|administrator|admin|advisor|adviser|agent|approver|assignee|assigner|assignor|auditor|cashier|checker|clerk|consultant',
    'courier|creator|deputy|dispatcher|driver|editor|grantee|granter|grantor|handler|inspector|invitee|inviter|manager|mentor|merchant',
    'modifier|moderator|officer|operator|organiser|organizer|receiver|recipient|referee|referer|referrer|rep|representative|resolver',
    'responsible|reviewer|revoker|salesperson|salesrep|seller|sponsor|staff|supervisor|updater|uploader|validator|verifier|vendor|whodunnit',
  ].flatMap((line) => line.split('|')),
);

/** Words that say it of the noun behind them: `assigned_account_id`, `target_user_id`. */
const QUALIFIERS = new Set(['bot', 'default', 'system', 'assigned', 'mentioned', 'responsible', 'tagged', 'target', 'targeted']);

/** What goes *to* somebody who only takes part. Not `bill_to`, `sold_to`, `belongs_to`: these are whose row it is. */
const TOWARDS = new Set([
  'addressed',
  'assigned',
  'delegated',
  'escalated',
  'forwarded',
  'referred',
  'reply',
  'report',
  'reported',
  'reports',
  'sent',
]);

/** `owned_by` names the owner in so many words. */
const OWNED = new Set(['owned']);

/**
 * Whether a column that refers to a person is named like somebody whom the row only mentions: who made, approved, received or handled it.
 * Whole words count, split at `_`, at capitals and at digits. The name decides nothing by itself: `check` asks what the reference means,
 * and `init` drafts an answer, so a name that is in doubt counts as one.
 */
export function soundsLikeMention(column: string): boolean {
  const words = snake(column).split(/[_\d]+/);
  return words.some((word, at) => {
    if (word === 'by') return !OWNED.has(words[at - 1] ?? '');
    if (word === 'to') return at === 0 || TOWARDS.has(words[at - 1]!);
    // Postgres folds an unquoted `createdBy` to `createdby`.
    if (/^[a-z]+edby/.test(word)) return !word.startsWith('ownedby');
    // `user_agent` is a browser.
    if (word === 'agent' && words[at - 1] === 'user') return false;
    return ROLES.has(word) || (word.endsWith('s') && ROLES.has(word.slice(0, -1))) || QUALIFIERS.has(word);
  });
}
