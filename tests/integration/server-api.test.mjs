// The server API: what an application's backend calls, below /v1/.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Stack, request } from './lib/stack.mjs';

describe('the server API', () => {
  let stack;
  const call = (method, path, more = {}) => request(`${stack.url}/v1/${path}`, { method, ...more });
  const refused = async (answer, status, code) => {
    const { status: got, json, text } = await answer;
    assert.equal(got, status, text);
    assert.deepEqual(Object.keys(json), ['error'], text);
    assert.equal(json.error.code, code, text);
    assert.equal(typeof json.error.message, 'string', text);
    return json.error;
  };
  before(async () => {
    stack = await Stack.start({ relays: 2 });
  });
  after(() => stack?.remove());

  it('fails in one form, also where nginx says it', async () => {
    await refused(call('GET', 'nothing'), 404, 'not_found');
    await refused(call('GET', 'users/%c0%80'), 404, 'not_found');
    await refused(call('POST', 'nothing', { body: Buffer.alloc(2 << 20), headers: { 'content-type': 'application/json' } }),
      413, 'too_big');
    await refused(call('GET', 'nothing', { headers: { authorization: 'x'.repeat(9000) } }), 431, 'too_big');
  });
});
