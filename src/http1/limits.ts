/** Limits of HTTP/1 that are not worth a line of configuration. */

/** Longest request target, in bytes; nginx and Apache take 8 KiB as well. */
export const TARGET_BYTES_MAX = 8_192
/** Header lines of one head, or of one trailer section; Envoy's default. */
export const FIELDS_MAX = 100
/** Longest method name. */
export const METHOD_BYTES_MAX = 32
/** Bytes of chunk extensions in one body: they are dropped, so nobody needs many. */
export const CHUNK_EXTENSION_BYTES_MAX = 4_096
/** Bytes of one trailer section. */
export const TRAILER_BYTES_MAX = 8_192
/** Input of a client that is kept while its previous request is still being answered. */
export const PIPELINE_BYTES_MAX = 65_536
/** How long a connection that was answered for the last time is still read, so that no reset overtakes the answer. */
export const LINGER_MS = 3_000
/** A body piece up to this size is copied behind the head into one write; a larger one is not copied. */
export const COPY_BYTES_MAX = 4_096
