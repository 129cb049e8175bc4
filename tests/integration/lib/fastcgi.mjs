// A FastCGI client (FastCGI 1.0 specification) that may cut its request short: nginx never passes on half a body,
// another front might.
import { Raw } from './raw.mjs';

const BEGIN_REQUEST = 1;
const END_REQUEST = 3;
const PARAMS = 4;
const STDIN = 5;
const STDOUT = 6;

function record(type, content = Buffer.alloc(0)) {
  const head = Buffer.alloc(8);
  head.writeUInt8(1, 0);
  head.writeUInt8(type, 1);
  head.writeUInt16BE(1, 2);
  head.writeUInt16BE(content.length, 4);
  return Buffer.concat([head, content]);
}

function lengthOf({ length }) {
  const bytes = Buffer.alloc(length < 128 ? 1 : 4);
  if (length < 128) bytes.writeUInt8(length);
  else bytes.writeUInt32BE((length | 0x8000_0000) >>> 0);
  return bytes;
}

function params(pairs) {
  const parts = Object.entries(pairs).filter(([, value]) => value !== undefined).flatMap(([name, value]) => {
    const texts = [Buffer.from(name), Buffer.from(String(value))];
    return [...texts.map(lengthOf), ...texts];
  });
  return Buffer.concat(parts);
}

/** Begins a request under a Content-Length of its own and sends `body`, without saying that this is all. named:
 *  parameters as they are to be instead; undefined: not sent. */
export async function fastcgiBegin(socketPath,
  { method = 'POST', path, contentType = 'application/json', contentLength, body = '', named = {} }) {
  const raw = await Raw.open(socketPath);
  raw.send(record(BEGIN_REQUEST, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0])));
  raw.send(record(PARAMS, params({ REQUEST_METHOD: method, SCRIPT_NAME: path, REQUEST_URI: path, QUERY_STRING: '',
    CONTENT_TYPE: contentType, CONTENT_LENGTH: contentLength, SERVER_PROTOCOL: 'HTTP/1.1',
    REMOTE_ADDR: '127.0.0.1', ...named })));
  raw.send(record(PARAMS));
  const bytes = Buffer.from(body);
  for (let at = 0; at < bytes.length; at += 32_768) raw.send(record(STDIN, bytes.subarray(at, at + 32_768)));
  return raw;
}

/** The whole request, and what came back: {status, text}, or null for nothing at all. */
export async function fastcgi(socketPath, request) {
  return fastcgiEnd(await fastcgiBegin(socketPath, request));
}

/** The rest of a request that was begun, and what came back. */
export async function fastcgiEnd(raw, body = '') {
  if (body) raw.send(record(STDIN, Buffer.from(body)));
  raw.send(record(STDIN));
  await raw.until(() => records(raw.bytes).some((r) => r.type === END_REQUEST) || raw.over, 'an answer');
  const out = Buffer.concat(records(raw.bytes).filter((r) => r.type === STDOUT).map((r) => r.content)).toString('utf8');
  raw.destroy();
  if (!out) return null;
  const [head, text] = out.split('\r\n\r\n');
  return { status: Number(head.match(/^Status: (\d+)/m)?.[1] ?? 200), text };
}

function records(bytes) {
  const found = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = bytes.readUInt16BE(at + 4);
    const next = at + 8 + length + bytes.readUInt8(at + 6);
    if (next > bytes.length) break;
    found.push({ type: bytes.readUInt8(at + 1), content: bytes.subarray(at + 8, at + 8 + length) });
    at = next;
  }
  return found;
}
