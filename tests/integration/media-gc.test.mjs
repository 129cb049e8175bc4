// chaguan media gc: what nobody refers to goes, after a time; what anybody refers to, in any protocol, stays.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Client, enter } from './lib/client.mjs';
import { Customer, register } from './lib/customers.mjs';
import { fastcgiBegin } from './lib/fastcgi.mjs';
import { couple, history } from './lib/friends.mjs';
import { unique } from './lib/socket.mjs';
import { AVATAR, FILE, VIDEO, address, form, mp4, png, upload } from './lib/uploads.mjs';
import { Stack, eventually, request } from './lib/stack.mjs';

const DAY_S = 24 * 3600;

describe('media gc', () => {
  let stack;
  const files = () => fs.readdirSync(stack.file('media')).sort();
  const file = (name) => stack.file(`media/${name}`);
  const fresh = async (call = AVATAR) => {
    const answer = await upload(stack, call, call === VIDEO ? mp4() : png());
    assert.equal(answer.status, 200, answer.text);
    return call.url(answer.json);
  };
  const nameOf = (url) => url.split('/').at(-1);
  /** As if everything that was uploaded so far had been two days ago. */
  const age = async () => {
    await stack.sql('UPDATE media SET created_at = created_at - INTERVAL 2 DAY');
    for (const name of files()) fs.utimesSync(file(name), Date.now() / 1000 - 2 * DAY_S, Date.now() / 1000 - 2 * DAY_S);
  };
  /** The numbers it prints. */
  const gc = async (...args) => {
    const { code, stdout, stderr } = await stack.chaguan('media', 'gc', ...args);
    assert.equal(code, 0, stderr);
    return Object.fromEntries([...stdout.matchAll(/^(\w+)=(\d+)$/gm)].map(([, name, value]) => [name, Number(value)]));
  };
  before(async () => {
    stack = await Stack.start({ relays: 2 });
  });
  after(() => stack?.remove());

  it('before anything was uploaded there is nothing to do', async () => {
    assert.equal((await gc()).files, 0);
  });

  it('what is younger than media_keep_ms stays, whoever refers to it', async () => {
    const url = await fresh();
    assert.equal((await gc()).unreferenced, 0);
    assert.equal((await request(address(stack, url))).status, 200);
  });

  it('what a message, an avatar or a mere text refers to stays, in every protocol; the rest goes', async () => {
    const { friendId, one, other } = await couple(stack);
    const [user, friend] = [await register(stack, { avatar: await fresh() }), await register(stack)];
    const customer = await Customer.connect(stack, user, friend, { relay: 1 });
    const person = await Client.join(stack, await enter(stack, unique('room'), unique('nick')));
    const kept = { avatar: user.avatar };
    kept.file = await fresh(FILE);
    await other.heard(one.send(friendId, kept.file, other.user.userId, 'file'));
    kept.absolute = await fresh(FILE);
    await other.heard(one.send(friendId, `https://chat.example.org${kept.absolute}?download=1`,
      other.user.userId, 'file'));
    kept.image = await fresh();
    await customer.heard(customer.say(kept.image, 1));
    kept.video = await fresh(VIDEO);
    await customer.heard(customer.say(kept.video, 2));
    kept.text = await fresh(FILE);
    await person.heard(person.say(`look: (${kept.text}), and this.`));
    const gone = [await fresh(), await fresh(VIDEO), await fresh(FILE)];
    await age();
    const young = await fresh();
    const before = files();
    const dry = await gc('--dry-run');
    assert.deepEqual(files(), before, 'a dry run removes nothing');
    const done = await gc();
    assert.equal(done.unreferenced, gone.length + 1, 'and the one of the test before');
    assert.deepEqual([dry.unreferenced, dry.would_free_bytes], [done.unreferenced, done.freed_bytes]);
    for (const [what, url] of Object.entries(kept))
      assert.equal((await request(address(stack, url))).status, 200, what);
    assert.equal((await request(address(stack, young))).status, 200);
    for (const url of gone) assert.equal((await request(address(stack, url))).status, 404);
    assert.deepEqual(files(), [...Object.values(kept), young].map(nameOf).sort());
    assert.equal(await stack.count('SELECT COUNT(*) FROM media'), files().length);
    assert.equal((await gc()).unreferenced, 0, 'once more is nothing');
    assert.ok((await history(stack, friendId, other.user)).some((row) => row.content === kept.file));
  });

  it('what a killed process left unfinished, and files and rows that lost each other, go too', async () => {
    const { headers, body } = form([{ name: 'avatar', filename: 'x.png', bytes: png(1 << 20) }]);
    const raw = await fastcgiBegin(stack.file('rest.sock'), { path: AVATAR.path, contentType: headers['Content-Type'],
      contentLength: body.length, body: body.subarray(0, 600_000) });
    await eventually(() => files().some((name) => name.startsWith('.upload-')), 'an unfinished file');
    await stack.kill('rest');
    raw.destroy();
    await stack.startPart('rest');
    const kept = files().filter((name) => !name.startsWith('.'));
    assert.equal(files().length, kept.length + 1, 'a killed process cannot clean up');
    const orphan = nameOf(await fresh());
    await stack.sql('DELETE FROM media WHERE name = ?', [orphan]);
    const lost = nameOf(await fresh());
    fs.unlinkSync(file(lost));
    fs.writeFileSync(file('README'), 'none of ours');
    await gc();
    assert.ok(files().some((name) => name.startsWith('.upload-')), 'what is young may be under way');
    await age();
    const done = await gc();
    assert.deepEqual([done.temporary, done.without_row, done.without_file], [1, 1, 1]);
    assert.ok(files().includes('README'), 'what we did not make is not ours to remove');
    assert.ok(!files().includes(orphan));
    assert.equal(await stack.count('SELECT COUNT(*) FROM media WHERE name = ?', [lost]), 0);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
