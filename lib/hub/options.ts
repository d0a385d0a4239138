import { CrossrankError, invalidArgument } from '../errors';
import { checkBoolean, checkFunction, checkNames, checkSignal } from '../option-checks';
import { isRevision } from './model-id';

/** Where models named `ORGANISATION/NAME` come from; what is left out is read from the environment, as huggingface_hub does. */
export interface HubOptions {
  /** Branch, tag or commit; `ORGANISATION/NAME@REVISION` does the same. @defaultValue `'main'` */
  revision?: string;
  /** Folder of the cache. @defaultValue `HF_HUB_CACHE`, or `hub` in `HF_HOME`, or `~/.cache/huggingface/hub` */
  cacheFolder?: string;
  /** Address of the hub or a mirror. @defaultValue `HF_ENDPOINT`, or the public hub */
  endpoint?: string;
  /** Access token; `false` sends none. @defaultValue `HF_TOKEN`, or the file that `hf auth login` wrote */
  token?: string | false;
  /** Use what is in the cache and send no request. @defaultValue `HF_HUB_OFFLINE` */
  offline?: boolean;
  /** Ends the download; what has come stays for the next try. */
  signal?: AbortSignal;
  /** Called while files come. */
  onProgress?: (progress: DownloadProgress) => void;
}

export interface DownloadProgress {
  /** Of the repository, such as `model.safetensors`. */
  file: string;
  /** Of all files that are fetched: bytes here, those of an earlier try included, and in all. */
  bytes: number;
  totalBytes: number;
}

const HUB_OPTIONS = ['revision', 'cacheFolder', 'endpoint', 'token', 'offline', 'signal', 'onProgress'];

/** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`; a token is not repeated in it */
export function checkHubOptions(options: HubOptions | undefined): void {
  if (options === undefined) return;
  checkNames(options, HUB_OPTIONS, 'hub');
  const { revision, cacheFolder, endpoint, token } = options;
  if (revision !== undefined && !(typeof revision === 'string' && isRevision(revision))) {
    throw invalidArgument('hub.revision', 'a branch, a tag or a commit', revision);
  }
  if (cacheFolder !== undefined && !isPath(cacheFolder)) {
    throw invalidArgument('hub.cacheFolder', 'the path of a folder', cacheFolder);
  }
  if (endpoint !== undefined && !(typeof endpoint === 'string' && isEndpoint(endpoint))) {
    throw invalidArgument('hub.endpoint', 'an http or https address without a password', endpoint);
  }
  if (token !== undefined && token !== false && !(typeof token === 'string' && isToken(token))) {
    const received =
      typeof token === 'string' ? 'a string of another form' : `a value of type ${typeof token}`;
    throw new CrossrankError(
      'ERR_INVALID_ARGUMENT',
      `Expected an access token or false for hub.token but received ${received}`,
    );
  }
  checkBoolean('hub.offline', options.offline);
  checkSignal(options.signal);
  checkFunction('hub.onProgress', options.onProgress);
}

function isPath(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !value.includes('\0');
}

/** A password in an address would end up in messages. */
export function isEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  const isWeb = protocol === 'http:' || protocol === 'https:';
  return isWeb && username === '' && password === '' && search === '' && hash === '';
}

/** What can stand in a header as it is. */
export function isToken(text: string): boolean {
  return /^[\x21-\x7e]{1,1024}$/.test(text);
}
