// What a transport costs, as far as a script can see it: bytes of headers, of events and of frames. Pure.

import { byteLength } from '../frames.js';

const STATUS_LINE = 'HTTP/1.1 200 OK\r\n'.length;

/** The response's head as HTTP/1.1 writes it; `headers` as fetch shows them. */
export function headBytes(headers) {
  let bytes = STATUS_LINE + 2;
  for (const [name, value] of headers) bytes += byteLength(name) + 2 + byteLength(value) + 2;
  return bytes;
}

/** An event of a text/event-stream, put together again from what EventSource tells of it. */
export function eventBytes({ type, lastEventId, data }) {
  const lines = data.split('\n').map((line) => `data: ${line}\n`).join('');
  return byteLength(
    `${lastEventId === '' ? '' : `id: ${lastEventId}\n`}${type === 'message' ? '' : `event: ${type}\n`}${lines}\n`);
}

/** A piece of an iframe's stream. */
export const scriptBytes = (text) => '<script></script>'.length + byteLength(text);

/** A text frame from the server, RFC 6455, section 5.2: no mask. */
export function frameBytes(text) {
  const length = byteLength(text);
  return length + (length < 126 ? 2 : length < 65536 ? 4 : 10);
}

export function bytesText(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const kib = bytes / 1024;
  return kib < 1024 ? `${kib.toFixed(kib < 100 ? 1 : 0)} KiB` : `${(kib / 1024).toFixed(1)} MiB`;
}

/** The events of a poll's answer {epoch, next, events}; null when it is no such thing. */
export function readPoll(value) {
  const next = value?.next;
  if (value === null || typeof value !== 'object' || !Number.isSafeInteger(next) || !Array.isArray(value.events))
    return null;
  return { epoch: value.epoch, next, reset: value.reset === true,
    events: value.events.map(readEvent).filter((event) => event !== null) };
}

/** An event {seq, type, data} of any of them, its shape looked at; null when it has none. */
export function readEvent(value) {
  if (value === null || typeof value !== 'object' || typeof value.type !== 'string') return null;
  return { type: value.type, data: value.data, seq: Number.isSafeInteger(value.seq) ? value.seq : null };
}

/** {name, text} of a message event; null for anything else. */
export function readMessage({ type, data }) {
  if (type !== 'message' || data === null || typeof data !== 'object' || typeof data.log_content !== 'string')
    return null;
  return { name: typeof data.log_user_name === 'string' ? data.log_user_name : '', text: data.log_content };
}
