import { DEFAULTS } from '../../manifest/defaults.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { ApprovalPolicy } from './decision.ts';
import { APPROVER } from './actor.ts';

const DEFAULT_POLICY: ApprovalPolicy = { roles: [APPROVER], fourEyes: false };

/** Who approves plans of requests. A manifest that an earlier version has put in force says nothing about it. */
export function approvalPolicy(manifest: Pick<Manifest, 'requests'> | { readonly requests?: undefined }): ApprovalPolicy {
  return manifest.requests?.approval ?? DEFAULT_POLICY;
}

/** How long recipients are tried. As above of an earlier manifest. */
export function noticePolicy(manifest: {
  readonly requests?: Partial<Pick<Manifest['requests'], 'notices'>>;
}): Manifest['requests']['notices'] {
  return manifest.requests?.notices ?? DEFAULTS.notices;
}

/** Purposes to which an objection is to be weighed first. */
export function balancedPurposes({ purposes }: Pick<Manifest, 'purposes'>): string[] {
  return Object.entries(purposes).flatMap(([name, { objection }]) => (objection === 'balanced' ? [name] : []));
}
