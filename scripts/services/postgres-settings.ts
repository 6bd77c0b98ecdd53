/** Settings of a server, as `postgres -c name=value` takes them. */
export type PostgresSettings = Readonly<Record<string, string>>;

/** For every server that we start. fsync stays on: crash safety is what we test. */
export const commonSettings: PostgresSettings = {
  // No socket file: paths may be too long for one, and two servers could meet in the same folder.
  unix_socket_directories: '',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // A bulk load or a purge of millions of rows must not be dominated by checkpoints.
  max_wal_size: '4GB',
  checkpoint_timeout: '15min',
  // Two runs' lanes, the client, the worker's pools and the tests' own sessions together.
  max_connections: '200',
  // Values must not reach the log: Postgres quotes them in DETAIL and in the statement.
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
};

/** For `npm start` and benchmarks: a quarter of a small machine's memory would be 512 MB. */
export const developmentSettings: PostgresSettings = { shared_buffers: '512MB', maintenance_work_mem: '256MB', work_mem: '32MB' };

/** For tests: many small databases, often several servers at once. */
export const testSettings: PostgresSettings = { shared_buffers: '128MB', work_mem: '16MB', maintenance_work_mem: '64MB' };
