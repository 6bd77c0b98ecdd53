import { TestWorkflowEnvironment } from '@temporalio/testing';

/**
 * Lets the SDK put Temporal's development server into the folder named by the first argument, and ends. A program of its own because the
 * SDK's runtime can be set up only once in a process, and whoever starts a worker later has to choose its logging and metrics.
 */
const [downloadDir] = process.argv.slice(2);
if (downloadDir === undefined) throw new Error('usage: temporal-download.ts FOLDER');
try {
  const environment = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'cached-download', downloadDir } } });
  await environment.teardown();
} catch (error) {
  // In one line: it becomes part of a progress message.
  console.error((error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' '));
  process.exitCode = 1;
}
