import type { KeyObject } from 'node:crypto';
import { clockOf } from '../database/clock.ts';
import { peopleOf } from '../database/requests/notice-people.ts';
import {
  claimDue,
  openNotices,
  readNotice,
  readNotices,
  readPages,
  recordCall,
  recordDelivered,
  recordProblem,
  reopenNotice,
  settleNotice,
  untilNext,
  waitForRecipients,
  type NoticePage,
} from '../database/requests/notices.ts';
import { currentManifest } from '../database/runs.ts';
import type { Store } from '../database/store.ts';
import { SERVICE } from '../domain/requests/actor.ts';
import {
  changedData,
  isSettled,
  NOTICE_FORMAT,
  noticeStatements,
  recipientsToTell,
  type News,
  type Notice,
  type NoticeBody,
} from '../domain/requests/notices.ts';
import type { ErasurePlan } from '../domain/requests/plan.ts';
import { noticePolicy } from '../domain/requests/policy.ts';
import type { Manifest } from '../manifest/model.ts';
import { MissingSecret } from '../manifest/secrets.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { guarded } from './failures.ts';
import { postNotice } from './notice-webhook.ts';

/** The company's own code that is to be called. */
export interface NoticeCall {
  readonly notice: string;
  readonly kind: News;
  readonly request: string;
  readonly activity: string;
  readonly taskQueue: string;
  /** For so many days it is tried; an earlier version did not say it. */
  readonly patienceDays?: number;
}

export interface SentNotices {
  /** Until the next attempt at a webhook, in milliseconds; null: none is left to be made. */
  readonly waitMs: number | null;
  readonly calls: readonly NoticeCall[];
}

export type NoticeActivities = ReturnType<typeof noticeActivities>;

/** Tells recipients. Ids, names and words of ours go in and out of it; who it is about goes to the recipient only. */
export function noticeActivities(dependencies: ActivityDependencies) {
  const { home, faults } = dependencies;

  /** Makes the attempts that are due. Delivery is at least once: a repetition has the id of the first. */
  const sendNotices = (request: string): Promise<SentNotices> =>
    guarded(async () => {
      const manifest = (await currentManifest(home.db))?.manifest;
      if (manifest === undefined) return { waitMs: null, calls: [] };
      // A recipient that is slow, or of which nothing can be recorded, must not hold up the others.
      const sent = await Promise.allSettled((await claimDue(home, request)).map((notice) => send(notice, manifest)));
      const failed = sent.find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
      const calls = (await readNotices(home, request)).flatMap((notice) => callOf(notice, manifest));
      return { waitMs: await untilNext(home, request), calls };
    });

  /** Page after page, to the first that does not arrive. */
  async function send(notice: Notice, manifest: Manifest): Promise<void> {
    const address = addressOf(notice, manifest);
    if ('problem' in address) return recordProblem(home, notice.id, address.problem);
    let key: KeyObject;
    try {
      key = dependencies.signingKey();
    } catch {
      return recordProblem(home, notice.id, 'no_signing_key');
    }
    for (const page of await readPages(home, notice.id)) {
      if (page.delivered) continue;
      const body = JSON.stringify(await bodyOf(notice, page, manifest));
      const sent = await postNotice(address.url, page.id, body, await clockOf(home), key);
      if (!sent.delivered) return recordProblem(home, notice.id, sent.problem);
      await faults('notice after answer');
      await recordDelivered(home, notice, page, sent.acknowledged);
    }
  }

  /** Where the manifest in force says, since addresses move; whom and what the notice says. */
  function addressOf({ recipient }: Notice, manifest: Manifest): { readonly url: string } | { readonly problem: string } {
    const declared = manifest.recipients[recipient]?.notify['webhook'];
    if (declared === undefined) return { problem: 'no_webhook' };
    try {
      return { url: dependencies.secret(declared) };
    } catch (error) {
      if (error instanceof MissingSecret) return { problem: 'no_url' };
      throw error;
    }
  }

  async function bodyOf(notice: Notice, page: NoticePage, manifest: Manifest): Promise<NoticeBody> {
    return {
      format: NOTICE_FORMAT,
      notice: page.id,
      organisation: manifest.organisation,
      kind: notice.news,
      request: notice.id,
      issued_at: notice.openedAt.toISOString(),
      page: page.page,
      pages: notice.pages,
      people: await peopleOf(home, notice, page),
    };
  }

  /** The company's own code is about to be called. */
  const noticeCalled = (notice: string): Promise<void> => guarded(() => recordCall(home, notice));

  /** It has returned, and so the recipient has been told. */
  const noticeReturned = (notice: string): Promise<void> =>
    guarded(async () => {
      await settleNotice(home, notice, 'acknowledged', SERVICE);
    });

  /** It has failed for good, or nobody has taken it for as long as we try. */
  const noticeFailed = (notice: string): Promise<void> => guarded(() => recordProblem(home, notice, 'failed'));

  /** Whether somebody has settled it meanwhile. */
  const noticeSettled = (notice: string): Promise<boolean> =>
    guarded(async () => {
      const found = await readNotice(home, notice);
      return found === null || isSettled(found);
    });

  return { sendNotices, noticeCalled, noticeReturned, noticeFailed, noticeSettled };
}

function callOf(notice: Notice, manifest: Manifest): NoticeCall[] {
  const { activity, taskQueue } = manifest.recipients[notice.recipient]?.notify ?? {};
  if (isSettled(notice) || notice.way !== 'activity' || activity === undefined || taskQueue === undefined) return [];
  return [{ notice: notice.id, kind: notice.news, request: notice.request, activity, taskQueue, patienceDays: notice.patienceDays }];
}

export interface ToldRecipients {
  /** Somebody has still to hear of it: that is written down. */
  readonly waits: boolean;
  /** For the certificate, once nobody has. */
  readonly statements: readonly string[];
}

/**
 * Who must be told of an erasure that is done, and how far that is. What was given up counts only as it was signed (`givenUp`: recipient → reason).
 */
export async function tellOfErasure(
  home: Store,
  { plan, manifest }: { readonly plan: ErasurePlan; readonly manifest: Manifest },
  givenUp: ReadonlyMap<string, string>,
): Promise<ToldRecipients> {
  const told = recipientsToTell(manifest, changedData(plan));
  const opened = await openNotices(home, { request: plan.request, run: plan.run, news: 'erasure', told, policy: noticePolicy(manifest) });
  // Its actor was revoked, or it was never signed by us.
  const unsigned = opened.filter(({ state, recipient }) => state === 'given_up' && !givenUp.has(recipient));
  for (const { id } of unsigned) await reopenNotice(home, id);
  const notices = unsigned.length === 0 ? opened : await readNotices(home, plan.request);
  const waits = notices.some((it) => !isSettled(it)) && (await waitForRecipients(home, plan.request));
  return { waits, statements: waits ? [] : noticeStatements(await readNotices(home, plan.request), givenUp) };
}
