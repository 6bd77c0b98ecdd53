/** What a platform team takes into its own worker: see docs/worker.md. */
export { probityActivities, type ProbityActivities, type ProbityActivitiesOptions } from './worker/activities.ts';
export { startProbityLoops, type ProbityLoops, type ProbityLoopsOptions } from './worker/loops.ts';
export { createProbityWorker, TASK_QUEUE, workflowsPath, type ProbityWorker, type ProbityWorkerOptions } from './worker/worker.ts';
export { defineManifest } from './manifest/define.ts';
export type { ManifestInput } from './manifest/schema/root.ts';
export type { Manifest } from './manifest/model.ts';
/** Consent in applications: see docs/consent.md. */
export { openProject, type Project } from './client/project.ts';
export { Refused } from './client/refused.ts';
export { linkIdentity, recordConsents, type RecordedConsent, type RecordOptions } from './client/consent/record.ts';
export { consentRecorder, type ConsentRecorder } from './client/consent/recorder.ts';
export type { ConsentEntry, ConsentIdentity, Door } from './client/consent/entries.ts';
export { permission, permissions, type PermissionQuestion } from './client/permission.ts';
/** Requests of subjects: see docs/requests.md. */
export { openRequests, type OpenedRequest, type OpenOptions } from './client/requests/open.ts';
export type { RequestAsk } from './client/requests/ask.ts';
export { listRequests, readRequest, type ShownRequest } from './client/requests/read.ts';
export {
  acknowledgeNotice,
  noticePeople,
  noticesOf,
  verifyNotice,
  type Notice,
  type NoticeBody,
  type NoticePerson,
  type PeopleToTell,
} from './client/requests/notices.ts';
export type { NoticeOrder } from './workflows/notices.ts';
export { gpcOptOut, gpcPurposes, gpcSignal, type RequestHeaders } from './client/gpc.ts';
/** Before an import: whom it must not bring back, see docs/requests.md. */
export { erasedBefore, type ImportedRow } from './client/tombstones.ts';
