/** Where lines are kept outside of every store. */
export interface Lines {
  /** Named in messages. */
  readonly name: string;
  /** Returns when every line is on the disk. Throws `SinkUnwritable`; lines may then be there in part. */
  readonly append: (lines: readonly string[]) => Promise<void>;
  /** Lines without their line breaks, to the end as it is now. Throws `SinkUnreadable`. */
  readonly read: () => AsyncIterable<string>;
}

/** The sink cannot take what must not be lost. The message says where and why, never what. */
export class SinkUnwritable extends Error {
  override readonly name = 'SinkUnwritable';
}

export class SinkUnreadable extends Error {
  override readonly name = 'SinkUnreadable';
}

/** What the manifest or the environment says of the sink cannot be. */
export class SinkRefused extends Error {
  override readonly name = 'SinkRefused';
}
