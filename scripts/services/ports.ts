import { createServer } from 'node:net';

/** Only this machine may connect to what we start. */
export const LOOPBACK = '127.0.0.1';

const listenOnce = (port: number): Promise<number | undefined> =>
  new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(undefined));
    server.listen({ host: LOOPBACK, port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });

/** Whether nothing listens on the port now. */
export const isFree = async (port: number): Promise<boolean> => (await listenOnce(port)) !== undefined;

/**
 * A port that was free a moment ago: the preferred one if it is still free, otherwise one that the system chooses.
 * Somebody else may take it before it is used, so a caller must be able to try again with another.
 */
export const freePort = async (preferred?: number): Promise<number> => {
  const port = (preferred === undefined ? undefined : await listenOnce(preferred)) ?? (await listenOnce(0));
  if (port === undefined) throw new Error(`No free port on ${LOOPBACK}`);
  return port;
};
