// Plain HTTP for the tests: one connection a request, nothing kept, pooled or retried, bodies as bytes. Built-in fetch
// would do all of these, and a test that stops servers needs to know what it asked whom.
import http from 'node:http';

// Generous: the programs may be a sanitizer build on a busy machine. Shorter for whoever works on a failing test.
export const DEADLINE_MS = Number(process.env.CG_DEADLINE_MS ?? 90_000);

/** request(url, {method, headers, body, from, socketPath}), from a local address or to a Unix socket → {status, headers,
 *  bytes, text, json}; json is undefined if the text is none. */
export function request(url, { method = 'GET', headers = {}, body, from, socketPath } = {}) {
  return new Promise((resolve, reject) => {
    const options = { method, headers, agent: false, timeout: DEADLINE_MS, localAddress: from, socketPath };
    const req = http.request(url, options, (res) => {
      const chunks = [];
      res.on('data', (chunk) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        const bytes = Buffer.concat(chunks);
        const text = bytes.toString('utf8');
        let json;
        try {
          json = JSON.parse(text);
        } catch {
          // not JSON: the caller sees undefined
        }
        resolve({ status: res.statusCode, headers: res.headers, bytes, text, json });
      });
    });
    req.on('timeout', () => req.destroy(new Error(`no answer from ${method} ${new URL(url).pathname}`)));
    req.on('error', reject);
    if (body !== undefined) req.write(body);
    req.end();
  });
}

/** POST of a value as JSON; a string or Buffer goes as it is. */
export function post(url, value, headers = {}) {
  const body = typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value);
  return request(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), ...headers },
    body,
  });
}

/**
 * Asks again until the answer is truthy: for states that nobody announces (a metric, a readiness page). The pause only
 * spares the processor; no test depends on its length.
 */
export async function eventually(ask, what, deadlineMs = DEADLINE_MS) {
  const end = Date.now() + deadlineMs;
  let last;
  for (;;) {
    try {
      const value = await ask();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}
