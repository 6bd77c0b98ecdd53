import { TestWorkflowEnvironment } from '@temporalio/testing';

/**
 * Lets the SDK put Temporal's development server into the folder named by the first argument, and ends. A program of its own because the
 * SDK's runtime can be set up only once in a process, and whoever starts a worker later has to choose its logging and metrics.
 */
const [downloadDir] = process.argv.slice(2);
if (downloadDir === undefined) throw new Error('usage: temporal-download.ts FOLDER');
const environment = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'cached-download', downloadDir } } });
await environment.teardown();
