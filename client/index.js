// chaguan-client: a client of Chaguan's native protocol. docs/client.md tells of it.
export { connect } from './client.js';
export { memoryStorage, webStorage, wxStorage } from './storage.js';
export { webTransport, wxTransport } from './transports.js';
export { ChaguanError } from './util.js';
