import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';

/** A connection to Temporal, with the settings that its own tools use: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TLS, profiles. */
export interface TemporalClient {
  readonly client: Client;
  readonly close: () => Promise<void>;
}

/** Thrown when no Temporal answers; the message names the address and how to set it. */
export class TemporalOutOfReach extends Error {
  override readonly name = 'TemporalOutOfReach';
}

const CONNECT_TIMEOUT = '5 seconds';

export async function connectTemporal(env: NodeJS.ProcessEnv = process.env): Promise<TemporalClient> {
  const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: definedIn(env) });
  const address = connectionOptions.address ?? 'localhost:7233';
  try {
    const connection = await Connection.connect({ ...connectionOptions, address, connectTimeout: CONNECT_TIMEOUT });
    const client = new Client({ connection, ...(namespace === undefined ? {} : { namespace }) });
    return { client, close: () => connection.close() };
  } catch {
    throw new TemporalOutOfReach(`No Temporal answers at ${address}: start one, or set TEMPORAL_ADDRESS`);
  }
}

function definedIn(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
