import { CrossrankError } from '../errors';
import { ID_EXAMPLE } from './model-id';

/** Error codes of an answer's header `X-Error-Code`, as far as they change what is to be done. */
const GATED = 'GatedRepo';
const NO_REVISION = 'RevisionNotFound';
const NO_ENTRY = 'EntryNotFound';
const MAX_MESSAGE_CHARACTERS = 200;

/** What was asked of the hub. */
export interface Asked {
  repository: string;
  revision: string;
  file?: string | undefined;
}

/** An `ERR_DOWNLOAD` that knows whether what is in the cache may stand in. */
export class DownloadError extends CrossrankError {
  /** Whether it is the hub that fails, not a revision, a disk or what was sent. */
  readonly cacheMayStandIn: boolean;

  constructor(message: string, options: { cause?: unknown; cacheMayStandIn?: boolean } = {}) {
    super('ERR_DOWNLOAD', message, { cause: options.cause });
    this.cacheMayStandIn = options.cacheMayStandIn ?? false;
  }
}

/** A status other than success, as a sentence that says what to do. */
export function refusal(
  status: number,
  headers: Readonly<Record<string, string>>,
  { repository, revision, file }: Asked,
  { endpoint, hasToken }: { endpoint: string; hasToken: boolean },
): DownloadError {
  const code = headers['x-error-code'];
  if (code === NO_REVISION) {
    return new DownloadError(
      `${repository} has no revision ${revision}: expected a branch, a tag or a commit of it`,
    );
  }
  const standIn = { cacheMayStandIn: true };
  if (code === NO_ENTRY && file !== undefined) {
    return new DownloadError(`${repository} at ${revision} has no file ${file} any more; try again`, standIn);
  }
  const access = hasToken
    ? 'the access token that was sent does not allow it; check it, and what it may read'
    : 'give an access token with HF_TOKEN, hub.token or `hf auth login`';
  if (code === GATED) {
    return new DownloadError(
      `${repository} is gated: accept its conditions at ${endpoint}/${repository}, then ` +
        (hasToken ? 'use a token of the account that did (the one that was sent may not read it)' : access),
      standIn,
    );
  }
  if (status === 404 || code === 'RepoNotFound' || (status === 401 && !hasToken)) {
    return new DownloadError(
      `${endpoint} knows no model ${repository}, or it is private: check the name (${ID_EXAMPLE}); if it is ` +
        `private, ${access}. There is no folder of this path either`,
      standIn,
    );
  }
  const said = headers['x-error-message'];
  const detail = said === undefined ? '' : `: ${plain(said)}`;
  if (status === 401 || status === 403) {
    return new DownloadError(`${endpoint} refuses ${repository} (${status}${detail}): ${access}`, standIn);
  }
  return new DownloadError(
    `${endpoint} answered ${status}${detail} when asked for ${what(repository, file)}`,
    standIn,
  );
}

/** After all tries. */
export function unreachable(address: string, reason: string, tries: number, cause: unknown): DownloadError {
  const times = tries === 1 ? '' : ` (${tries} tries)`;
  return new DownloadError(
    `${address} ${reason}${times}; check the network, HTTPS_PROXY and HF_ENDPOINT. A download goes on where it ` +
      'stopped when it is started again',
    { cause, cacheMayStandIn: true },
  );
}

/** What was thrown, where the file system did; errors of the network have other calls. */
export function fileSystemError(error: unknown): NodeJS.ErrnoException | undefined {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  const isSystem = typeof code === 'string' && typeof syscall === 'string';
  return isSystem && !OF_NETWORK.includes(syscall) ? (error as NodeJS.ErrnoException) : undefined;
}

const OF_NETWORK = ['connect', 'getaddrinfo', 'socket', 'bind'];

function what(repository: string, file: string | undefined): string {
  return file === undefined ? repository : `${file} of ${repository}`;
}

/** One line, whatever a server sends. */
function plain(text: string): string {
  return text
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_MESSAGE_CHARACTERS);
}
