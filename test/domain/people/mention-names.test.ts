import { expect, test } from 'vitest';
import { soundsLikeMention } from '../../../domain/people/mention-names.ts';

const MENTIONS = `created_by updated_by granted_by approved_by_id invitedBy closedByUserId by_user lastModifiedBy createdby approvedbyid
  granter grantor_id approver_email reviewerId moderator_id resolver revoker agent_id agent staff_id staff_member_id assignee assigned_to
  assignedToId assigned_account_id recipient_id recipient_ids handler_id last_editor_id inviter referrer_id manager_id account_manager_id
  creator_id seller_id to_user_id sent_to target_account_id action_taken_by_account_id APPROVED_BY ApproverID approver2_id
  in_reply_to_user_id whodunnit`;

const OWNERS = `user_id customer_id author_id owner_id member_id account_id person_id id email owned_by ownedby sold_to_customer_id bill_to
  belongs_to_user_id sender_id from_user_id nearby_id user_agent baby_id standby_user_id managed_account_id stage_id administration_id
  customer_email patient subscriber_id author_ip buyer_id editorial_id rugby_club_member total_user_id`;

test.each(MENTIONS.split(/\s+/))('%s sounds like a mention', (name) => expect(soundsLikeMention(name)).toBe(true));
test.each(OWNERS.split(/\s+/))('%s does not', (name) => expect(soundsLikeMention(name)).toBe(false));
