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
