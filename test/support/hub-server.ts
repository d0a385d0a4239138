import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative, sep } from 'node:path';

/** Name and content of each file of a repository. */
export type RepositoryFiles = Record<string, Buffer | string>;

/** What goes wrong with one transfer of a file's bytes. */
export interface Fault {
  /** The connection breaks after so many bytes of the answer. */
  cutAfter?: number;
  /** After so many bytes nothing more comes, and the connection stays. */
  stallAfter?: number;
  /** Another byte than the file has stands in the middle. */
  corrupt?: boolean;
  /** All of the file comes, whatever part was asked for. */
  ignoreRange?: boolean;
  /** A part that starts elsewhere comes, and says so. */
  wrongRange?: boolean;
  /** `Content-Length` announces so much less, and no more comes. */
  shortBy?: number;
  /** More comes than the file has. */
  longBy?: number;
  /** Nothing comes before this. */
  after?: Promise<unknown>;
  /** This status and these headers, and no file. */
  status?: number;
  headers?: Record<string, string>;
}

/** A request as it came, of either host. */
export interface HubRequest {
  host: 'hub' | 'storage';
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  /** `performance.now()` of its arrival. */
  at: number;
}

interface Stored {
  content: Buffer;
  sha1: string;
  /** Undefined for a file that is in git itself. */
  sha256: string | undefined;
}

interface Repository {
  /** Files of each commit. */
  commits: Map<string, Map<string, Stored>>;
  refs: Map<string, string>;
  /** Who may read it; undefined: everybody. */
  token: string | undefined;
  gated: boolean;
}

const LFS = /\.(safetensors|onnx|onnx_data|bin)$/;

/**
 * A hub on this machine, with the routes, headers and error codes that clients of the public one rely on. Files that the
 * public hub keeps in git LFS are behind a redirect to another host (another port here), which knows nothing of tokens.
 */
export class HubServer {
  /** What to give as `HF_ENDPOINT`. */
  readonly url: string;
  readonly storageUrl: string;
  readonly requests: HubRequest[] = [];
  /** For the next transfers of this file's bytes, one each; a request that it answers is one transfer. */
  readonly faults = new Map<string, Fault[]>();
  /** Answers that stand in for the next answers of the API, as they are. */
  readonly apiAnswers: ((response: ServerResponse) => void)[] = [];
  /** Edits what the API says of a repository. */
  editInfo: (info: Record<string, unknown>) => unknown = (info) => info;
  /** Edits the headers of a file of the hub's own host. */
  editHeaders: (headers: Record<string, string>) => void = () => {};
  readonly #repositories = new Map<string, Repository>();
  readonly #hub: Server;
  readonly #storage: Server;

  private constructor(hub: Server, storage: Server) {
    this.#hub = hub;
    this.#storage = storage;
    this.url = addressOf(hub);
    this.storageUrl = addressOf(storage);
    hub.on('request', (request, response) => this.#answer('hub', request, response));
    storage.on('request', (request, response) => this.#answer('storage', request, response));
  }

  static async start(): Promise<HubServer> {
    const servers = [createServer(), createServer()] as const;
    for (const server of servers) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return new HubServer(...servers);
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#storage]) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  }

  /**
   * Adds a repository, or a commit to one.
   * @returns the commit, which follows from the files
   */
  add(
    name: string,
    files: RepositoryFiles,
    { refs = ['main'], token, gated = false }: { refs?: string[]; token?: string; gated?: boolean } = {},
  ): string {
    const repository = this.#repositories.get(name) ?? { commits: new Map(), refs: new Map(), token, gated };
    const stored = new Map(Object.entries(files).map(([file, content]) => [file, store(file, content)]));
    const commit = hash('sha1', JSON.stringify([...stored].map(([file, { sha1 }]) => [file, sha1])));
    repository.commits.set(commit, stored);
    for (const ref of refs) repository.refs.set(ref, commit);
    this.#repositories.set(name, repository);
    return commit;
  }

  /** Transfers of a file's bytes that were begun. */
  transfersOf(file: string): HubRequest[] {
    return this.requests.filter(({ method, path, host }) => {
      if (method !== 'GET') return false;
      const isLfs = LFS.test(file);
      return (
        host === (isLfs ? 'storage' : 'hub') && decodeURIComponent(path).split('?')[0]?.endsWith(`/${file}`)
      );
    });
  }

  #answer(host: HubRequest['host'], request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url: path = '', headers } = request;
    this.requests.push({ host, method, path, headers, at: performance.now() });
    const parts = path.split(/[?#]/)[0]?.split('/').slice(1).map(decodeURIComponent) ?? [];
    if (host === 'storage') this.#sendStored(request, response, parts);
    else if (parts[0] === 'api') this.#sendInfo(request, response, parts.slice(1));
    else this.#sendFile(request, response, parts);
  }

  #sendInfo(request: IncomingMessage, response: ServerResponse, parts: string[]): void {
    const stub = this.apiAnswers.shift();
    if (stub !== undefined) {
      stub(response);
      return;
    }
    const [kind, organisation, name, what = 'revision', revision = 'main'] = parts;
    const id = `${organisation}/${name}`;
    if (kind !== 'models') {
      fail(response, 404, undefined, 'Not found');
      return;
    }
    const found = this.#find(request, response, id, revision, false);
    if (found === undefined) return;
    const { commit, files } = found;
    if (what === 'tree') {
      const tree = [...files].map(([path, { content, sha1, sha256 }]) => ({
        type: 'file',
        oid: sha1,
        size: content.length,
        path,
        ...(sha256 === undefined ? {} : { lfs: { oid: sha256, size: content.length, pointerSize: 134 } }),
      }));
      sendJson(response, tree);
      return;
    }
    const withBlobs = request.url?.includes('blobs=true') === true;
    const siblings = [...files].map(([rfilename, { content, sha1, sha256 }]) => {
      if (!withBlobs) return { rfilename };
      const lfs = sha256 === undefined ? {} : { lfs: { sha256, size: content.length, pointerSize: 134 } };
      return { rfilename, size: content.length, blobId: sha1, ...lfs };
    });
    sendJson(response, this.editInfo({ _id: '1', id, modelId: id, sha: commit, private: false, siblings }));
  }

  #sendFile(request: IncomingMessage, response: ServerResponse, parts: string[]): void {
    const [organisation, name, resolve, revision = '', ...path] = parts;
    if (resolve !== 'resolve') {
      fail(response, 404, undefined, 'Not found');
      return;
    }
    const found = this.#find(request, response, `${organisation}/${name}`, revision, true);
    if (found === undefined) return;
    const file = path.join('/');
    const stored = found.files.get(file);
    response.setHeader('X-Repo-Commit', found.commit);
    if (stored === undefined) {
      fail(response, 404, 'EntryNotFound', 'Entry not found');
      return;
    }
    const { content, sha1, sha256 } = stored;
    const headers: Record<string, string> = { 'Accept-Ranges': 'bytes' };
    if (sha256 !== undefined) {
      headers['X-Linked-Etag'] = `"${sha256}"`;
      headers['X-Linked-Size'] = String(content.length);
      headers.Location = `${this.storageUrl}/${sha256}/${file}?signature=abc`;
      this.editHeaders(headers);
      response.writeHead(302, headers).end();
      return;
    }
    headers.ETag = `"${sha1}"`;
    this.editHeaders(headers);
    for (const [header, value] of Object.entries(headers)) response.setHeader(header, value);
    void this.#send(request, response, content, file);
  }

  #sendStored(request: IncomingMessage, response: ServerResponse, [sha256, ...path]: string[]): void {
    for (const { commits } of this.#repositories.values()) {
      for (const files of commits.values()) {
        for (const stored of files.values()) {
          if (stored.sha256 !== sha256) continue;
          response.setHeader('ETag', '"an-etag-of-the-storage"').setHeader('Accept-Ranges', 'bytes');
          void this.#send(request, response, stored.content, path.join('/'));
          return;
        }
      }
    }
    fail(response, 403, undefined, 'no such key');
  }

  async #send(
    request: IncomingMessage,
    response: ServerResponse,
    content: Buffer,
    file: string,
  ): Promise<void> {
    const fault = request.method === 'GET' ? (this.faults.get(file)?.shift() ?? {}) : {};
    await fault.after;
    if (fault.status !== undefined) {
      response.writeHead(fault.status, fault.headers).end();
      return;
    }
    const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
    const start = fault.ignoreRange === true ? 0 : Number(from ?? 0);
    if (start > 0 && start >= content.length) {
      response.writeHead(416, { 'Content-Range': `bytes */${content.length}` }).end();
      return;
    }
    const isPart = from !== undefined && fault.ignoreRange !== true;
    const announced = fault.wrongRange === true ? start - 1 : start;
    let body = content.subarray(start, content.length - (fault.shortBy ?? 0));
    if (fault.longBy !== undefined) body = Buffer.concat([body, Buffer.alloc(fault.longBy)]);
    if (fault.corrupt === true) {
      body = Buffer.from(body);
      const middle = body.length >> 1;
      body[middle] = (body[middle] as number) ^ 1;
    }
    response.statusCode = isPart ? 206 : 200;
    response.setHeader('Content-Length', body.length);
    if (isPart) {
      response.setHeader('Content-Range', `bytes ${announced}-${content.length - 1}/${content.length}`);
    }
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    const sent = body.subarray(0, fault.cutAfter ?? fault.stallAfter ?? body.length);
    await new Promise<void>((done) => response.write(sent, () => done()));
    if (fault.stallAfter !== undefined) return;
    if (fault.cutAfter !== undefined) {
      request.socket.destroySoon(); // once the client has what was sent
      return;
    }
    response.end();
  }

  /** Undefined where it has answered why not. */
  #find(
    request: IncomingMessage,
    response: ServerResponse,
    id: string,
    revision: string,
    isFile: boolean,
  ): { commit: string; files: Map<string, Stored> } | undefined {
    const repository = this.#repositories.get(id);
    const given = request.headers.authorization;
    const isAllowed = repository?.token === undefined || given === `Bearer ${repository.token}`;
    if (repository === undefined || (!isAllowed && !repository.gated)) {
      // The public hub hides what may not be read.
      const status = given === undefined ? 401 : 404;
      fail(response, status, status === 404 ? 'RepoNotFound' : undefined, 'Invalid username or password.');
      return undefined;
    }
    // Everybody sees what a gated repository has; its files are for those who were let in.
    if (!isAllowed && isFile) {
      fail(response, given === undefined ? 401 : 403, 'GatedRepo', `Access to model ${id} is restricted.`);
      return undefined;
    }
    const commit = repository.refs.get(revision) ?? revision;
    const files = repository.commits.get(commit);
    if (files === undefined) {
      fail(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
      return undefined;
    }
    return { commit, files };
  }
}

/** The files of a folder, those in folders of it included. */
export function filesOf(folder: string): Record<string, Buffer> {
  const files: Record<string, Buffer> = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files[relative(folder, path).split(sep).join('/')] = readFileSync(path);
  }
  return files;
}

function store(file: string, text: Buffer | string): Stored {
  const content = Buffer.from(text);
  return {
    content,
    sha1: hash('sha1', Buffer.concat([Buffer.from(`blob ${content.length}\0`), content])),
    sha256: LFS.test(file) ? hash('sha256', content) : undefined,
  };
}

function hash(algorithm: string, content: Buffer | string): string {
  return createHash(algorithm).update(content).digest('hex');
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.setHeader('Content-Type', 'application/json').end(JSON.stringify(value));
}

function fail(response: ServerResponse, status: number, code: string | undefined, message: string): void {
  if (code !== undefined) response.setHeader('X-Error-Code', code);
  response.setHeader('X-Error-Message', message);
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ error: message }));
}
