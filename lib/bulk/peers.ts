import { type Peer, requirePeer } from '../integrations/peer';

export const BULK_PEERS: readonly Peer[] = [
  { name: 'bullmq', versions: '6', install: '6', accepts: (major) => major === 6 },
  { name: 'ioredis', versions: '6', install: '6', accepts: (major) => major === 6 },
];

/**
 * The rest of this folder loads both packages as it is loaded, so ask this first.
 * @param command - Whose peers they are, such as `crossrank worker`
 * @throws CrossrankError with `ERR_MISSING_PACKAGE` or `ERR_PACKAGE_VERSION`
 */
export function requireBulkPeers(command: string): void {
  for (const peer of BULK_PEERS) requirePeer(command, peer);
}
