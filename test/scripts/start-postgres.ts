// A process to be killed: starts a server in the folder named by the first argument, says its process id, and waits.
import { startPostgres } from '../../scripts/services/postgres.ts';
import { testSettings } from '../../scripts/services/postgres-settings.ts';

const dir = process.argv[2] ?? '';
const service = await startPostgres({ dir, settings: testSettings, removeIfOrphaned: dir });
console.log(service.pid());
setInterval(() => undefined, 1_000);
