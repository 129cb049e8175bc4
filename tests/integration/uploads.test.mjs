// Uploads: what is taken, what is not, what is left of it on the disk, and how nginx gives it out.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { unique } from './lib/socket.mjs';
import { fastcgi, fastcgiBegin } from './lib/fastcgi.mjs';
import { AVATAR, FILE, VIDEO, address, form, mp4, picture, png, turned, upload, uploadApi, webpSize } from './lib/uploads.mjs';
import { Raw } from './lib/raw.mjs';
import { Stack, bin, eventually, request, run } from './lib/stack.mjs';

const MB25 = 25 << 20;
const CALLS = [AVATAR, VIDEO, FILE];
const fitting = (call) => (call === VIDEO ? mp4 : png);

/** What a bad upload gets: the protocol's own form, whoever answers. */
function assertRefused({ status, json, text }, call, ...statuses) {
  assert.ok(statuses.includes(status), `${call.path}: ${status} instead of ${statuses}: ${text}`);
  if (call === FILE) {
    assert.deepEqual(Object.keys(json ?? {}).sort(), ['code', 'error'], text);
    return;
  }
  assert.equal(json?.status, status, text);
  assert.ok(typeof json.err === 'string' && json.err, text);
}

describe('uploads', () => {
  let stack;
  const files = () => (fs.existsSync(stack.file('media')) ? fs.readdirSync(stack.file('media'), { recursive: true })
    .sort() : []);
  const rows = () => stack.count('SELECT COUNT(*) FROM media');
  /** Runs `act` and demands that no file, whole or not, and no row came of it. */
  const leavesNothing = async (act) => {
    const before = [files(), await rows()];
    await act();
    await eventually(async () => JSON.stringify([files(), await rows()]) === JSON.stringify(before),
      'the directory to be as before');
  };
  before(async () => {
    stack = await Stack.start({ relays: 1 });
  });
  after(() => stack?.remove());

  it("the article's uploads: an avatar and a video are answered with URLs that give the same bytes", async () => {
    for (const [call, bytes, filename, type] of [[AVATAR, png(), 'tmp_1.png', 'image/png'],
      [VIDEO, mp4(70_000), 'tmp_2.mp4', 'video/mp4'], [FILE, png(), 'a b.png', 'image/png']]) {
      const answer = await upload(stack, call, bytes, filename, type);
      assert.equal(answer.status, 200, answer.text);
      if (call === FILE)
        assert.deepEqual({ ...answer.json, data: { ...answer.json.data, url: '' } },
          { success: true, data: { url: '', kind: 'image/png', bytes: bytes.length } });
      else assert.equal(answer.json.status, 200);
      const served = await request(address(stack, call.url(answer.json)));
      assert.equal(served.status, 200);
      assert.ok(served.bytes.equals(bytes), call.path);
      assert.equal(served.headers['content-type'], type);
    }
  });

  it("a phone's films are films: 3gp, m4v and mov are taken as they come", async () => {
    const kinds = { '3gp4': ['3gp', 'video/3gpp'], '3g2a': ['3gp', 'video/3gpp'], 'M4V ': ['m4v', 'video/x-m4v'],
      'qt  ': ['mov', 'video/quicktime'] };
    for (const [brand, [extension, type]] of Object.entries(kinds)) {
      const bytes = mp4(2000, brand);
      const answer = await upload(stack, VIDEO, bytes, 'wx_tmp.mp4', 'video/mp4');
      assert.equal(answer.json.status, 200, `${brand}: ${answer.text}`);
      assert.match(answer.json.payload, new RegExp(`\\.${extension}$`));
      const served = await request(address(stack, answer.json.payload));
      assert.deepEqual([served.status, served.headers['content-type'], served.bytes.equals(bytes)], [200, type, true]);
    }
  });

  it('names are ours: random, never the same, nothing of what the client called it', async () => {
    const bytes = png();
    const names = ['../../etc/passwd', '..\\\\x.php', 'x.html', '/tmp/x', '.htaccess', 'a'.repeat(300), '茶.png',
      '%2e%2e%2fx', 'x.png%00.html'];
    const urls = [];
    for (const name of names) {
      const answer = await upload(stack, AVATAR, bytes, name);
      assert.equal(answer.status, 200, `${name}: ${answer.text}`);
      urls.push(AVATAR.url(answer.json));
    }
    for (const url of urls) assert.match(url, /^\/media\/[0-9a-f]{32}\.png$/);
    assert.equal(new Set(urls).size, names.length);
  });

  it('served files sniff for nothing, run nothing, stay in the cache and can be read in parts', async () => {
    const bytes = mp4(100_000);
    const url = address(stack, VIDEO.url((await upload(stack, VIDEO, bytes, 'x.mp4')).json));
    const whole = await request(url);
    assert.equal(whole.headers['x-content-type-options'], 'nosniff');
    assert.match(whole.headers['content-security-policy'], /sandbox/);
    assert.match(whole.headers['content-security-policy'], /default-src 'none'/);
    assert.match(whole.headers['cache-control'], /max-age=\d{6,}/);
    assert.match(whole.headers['cache-control'], /immutable/);
    assert.equal(whole.headers['accept-ranges'], 'bytes');
    assert.equal(whole.headers['set-cookie'], undefined);
    for (const [range, from, to] of [['bytes=0-0', 0, 0], ['bytes=500-999', 500, 999], ['bytes=99990-', 99_990, 99_999],
      ['bytes=-10', 99_990, 99_999], ['bytes=99999-200000', 99_999, 99_999]]) {
      const part = await request(url, { headers: { Range: range } });
      assert.equal(part.status, 206, range);
      assert.equal(part.headers['content-range'], `bytes ${from}-${to}/100000`);
      assert.ok(part.bytes.equals(bytes.subarray(from, to + 1)), range);
      for (const header of ['x-content-type-options', 'content-security-policy'])
        assert.equal(part.headers[header], whole.headers[header], `${header} of a part`);
    }
    const past = await request(url, { headers: { Range: 'bytes=100000-' } });
    assert.equal(past.status, 416);
    const again = await request(url, { headers: whole.headers.etag ? { 'If-None-Match': whole.headers.etag }
      : { 'If-Modified-Since': whole.headers['last-modified'] } });
    assert.equal(again.status, 304);
    const head = await request(url, { method: 'HEAD' });
    assert.deepEqual([head.status, head.bytes.length, head.headers['content-length']], [200, 0, '100000']);
  });

  it('the directory is not listed, nothing outside is served, nothing can be put or deleted', async () => {
    const { pathname } = new URL(address(stack, AVATAR.url((await upload(stack, AVATAR, png())).json)));
    for (const path of ['/media', '/media/', '/media/nope.png', '/media/%2e%2e/chaguan.conf',
      '/media/..%2fchaguan.conf', '/media/.', `/media/${'0'.repeat(32)}.png`,
      '/media/%2e%2e%2fchaguan.conf', '/media//etc/passwd', `${pathname}/`, `${pathname}/x.php`, `${pathname}%00.html`,
      '/media../chaguan.conf', '/media/.upload-x']) {
      const raw = await Raw.connect(stack.port);
      raw.send(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      await raw.end();
      assert.ok(raw.status >= 400 && raw.status < 500 || raw.status === 301, `${path}: ${raw.status}`);
      assert.doesNotMatch(raw.text, /db_password|root:/, path);
    }
    for (const method of ['PUT', 'DELETE', 'POST', 'PATCH', 'MKCOL']) {
      const { status } = await request(`${stack.url}${pathname}`, { method });
      assert.ok([403, 405].includes(status), `${method}: ${status}`);
    }
    assert.equal((await request(`${stack.url}${pathname}`)).status, 200);
  });

  for (const call of CALLS) {
    it(`${call.path}: 25 MB exactly is taken, one byte more is 413 and nothing is kept`, async () => {
      const bytes = fitting(call)(MB25);
      const answer = await upload(stack, call, bytes);
      assert.equal(answer.status, 200, answer.text);
      const served = await request(address(stack, call.url(answer.json)), { method: 'HEAD' });
      assert.equal(served.headers['content-length'], String(MB25));
      await leavesNothing(async () => assertRefused(await upload(stack, call, fitting(call)(MB25 + 1)), call, 413));
      await leavesNothing(async () => {
        const raw = await Raw.connect(stack.port); // far more: nginx does not read it at all
        raw.send(
          `POST ${call.path} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: ` +
          `${1 << 30}\r\n\r\n--x\r\n`);
        await raw.until(() => raw.status && raw.text.includes('}'), 'an answer');
        assertRefused({ status: raw.status, json: JSON.parse(raw.text.match(/\{.*\}/s)[0]), text: raw.text }, call,
          413);
        raw.destroy();
      });
    });

    it(`${call.path}: no bytes, no file, no form or two files are 400 and nothing is kept`, async () => {
      const bytes = fitting(call)();
      const part = { name: call.name, filename: 'x', bytes };
      const good = form([part], 'edge');
      const bodies = {
        '0 bytes': form([{ ...part, bytes: '' }]),
        'another field': form([{ ...part, name: 'other' }]),
        'no part': { headers: { 'Content-Type': 'multipart/form-data; boundary=edge' }, body: '--edge--\r\n' },
        'no body': { headers: good.headers && { 'Content-Type': good.headers['Content-Type'] }, body: '' },
        'two files': form([part, part]),
        'no boundary': { headers: { 'Content-Type': 'multipart/form-data' }, body: good.body },
        'another boundary': { headers: { 'Content-Type': 'multipart/form-data; boundary=ledge' }, body: good.body },
        'the bytes alone': { headers: { 'Content-Type': 'image/png' }, body: bytes },
        JSON: { headers: { 'Content-Type': 'application/json' }, body: '{}' },
        'no last boundary': { headers: { 'Content-Type': 'multipart/form-data; boundary=edge' },
          body: good.body.subarray(0, good.body.length - 10) },
        'header lines without end': { headers: { 'Content-Type': 'multipart/form-data; boundary=edge' },
          body: `--edge\r\n${'X-A: b\r\n'.repeat(2000)}\r\n` },
      };
      for (const [what, { headers, body }] of Object.entries(bodies)) {
        await leavesNothing(async () => {
          const answer = await request(`${stack.url}${call.path}`,
            { method: 'POST', headers: { ...headers, 'Content-Length': Buffer.byteLength(body) }, body });
          assert.equal(answer.status === 413 ? 400 : answer.status, 400, `${what}: ${answer.text}`);
          assertRefused(answer, call, 400, 413);
        });
      }
      assert.equal((await request(`${stack.url}${call.path}`, { method: 'GET' })).status, 405);
    });

    it(`${call.path}: a kind is told from the bytes: scripts and pages are 415 whatever they are called`, async () => {
      const scripts = {
        'a shell script': '#!/bin/sh\nrm -rf /\n', 'a PHP script': '<?php system($_GET["x"]);',
        'a page': '<!DOCTYPE html><html><script>alert(1)</script></html>',
        'a drawing with a script': '<?xml version="1.0"?><svg ' +
        'xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 'XML': '<?xml version="1.0"?><a/>',
        'a program': Buffer.concat([Buffer.from('7f454c4602010100', 'hex'), Buffer.alloc(60)]),
        'a Windows program': Buffer.concat([Buffer.from('MZ'), Buffer.alloc(200)]),
      };
      for (const [what, text] of Object.entries(scripts)) {
        for (const [filename, type] of [['x.png', 'image/png'], ['x.mp4', 'video/mp4'], ['x', undefined]]) {
          await leavesNothing(async () => assertRefused(await upload(stack, call, Buffer.from(text), filename, type),
            call, 415)).catch((error) => {
            throw new Error(`${what} as ${filename}: ${error.message}`, { cause: error });
          });
        }
      }
      if (call !== FILE)
        await leavesNothing(async () =>
          assertRefused(await upload(stack, call, fitting(call === VIDEO ? AVATAR : VIDEO)()), call, 415));
    });

    it(`${call.path}: a body that breaks off leaves no file behind`, async () => {
      const { headers, body } = form([{ name: call.name, filename: 'x', bytes: fitting(call)(3 << 20) }]);
      for (const share of [0.1, 0.5, 0.999]) {
        await leavesNothing(async () => {
          const raw = await Raw.connect(stack.port);
          const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
          raw.send(`POST ${call.path} HTTP/1.1\r\nHost: x\r\n${lines}\r\n`)
            .send(body.subarray(0, Math.floor(body.length * share)));
          raw.socket.end();
          await raw.end();
          assert.notEqual(raw.status, 200);
        });
      }
      assert.equal((await upload(stack, call, fitting(call)())).status, 200);
    });
  }

  it('half a body that reaches the REST process is no upload, ' +
    'and one that stops is given up with its file', async () => {
    const { headers, body } = form([{ name: 'avatar', filename: 'x.png', bytes: png(1 << 20) }]);
    const call = { path: AVATAR.path, contentType: headers['Content-Type'] };
    for (const [contentLength, sent] of [[body.length, body.length - 1], [body.length, 500_000],
      [body.length + 1000, body.length], [body.length - 1, body.length]]) {
      await leavesNothing(async () => {
        const answer = await fastcgi(stack.file('rest.sock'), { ...call, contentLength, body: body.subarray(0, sent) });
        assert.equal(answer?.status, 400, `${sent} of ${contentLength}`);
      });
    }
    await leavesNothing(async () => {
      const raw = await fastcgiBegin(stack.file('rest.sock'),
        { ...call, contentLength: body.length, body: body.subarray(0, 600_000) });
      await eventually(() => files().some((name) => name.startsWith('.upload-')), 'an unfinished file');
      raw.destroy();
    });
    assert.equal((await fastcgi(stack.file('rest.sock'), { ...call, contentLength: body.length, body })).status, 200);
  });

  it('a body sent in chunks is read whole', async () => {
    const bytes = png(200_000);
    const { headers, body } = form([{ name: 'avatar', filename: 'x.png', bytes }]);
    const answer = await request(`${stack.url}${AVATAR.path}`,
      { method: 'POST', body, headers: { 'Content-Type': headers['Content-Type'], 'Transfer-Encoding': 'chunked' } });
    assert.equal(answer.status, 200, answer.text);
    assert.ok((await request(address(stack, AVATAR.url(answer.json)))).bytes.equals(bytes));
  });

  it('many at once, equal and different ones, are all kept whole', async () => {
    const contents = [png(2_000_000), png(2_000_000), png(3_000_000), png()];
    const sent = [...contents, ...contents, ...contents];
    const answers = await Promise.all(sent.map((bytes) => upload(stack, AVATAR, bytes)));
    const urls = answers.map((answer) => AVATAR.url(answer.json));
    assert.equal(new Set(urls).size, sent.length);
    for (const [i, url] of urls.entries())
      assert.ok((await request(address(stack, url))).bytes.equals(sent[i]), `number ${i}`);
    assert.deepEqual(files().filter((name) => !/^[0-9a-f]{32}\.\w+$/.test(name)), [], 'nothing unfinished lies about');
    assert.equal(files().length, await rows());
  });

  it('a picture that is also a page is given out as a picture', async () => {
    const bytes = Buffer.concat([Buffer.from('474946383961010001000000ff002c', 'hex'),
      Buffer.from('/*<html><script>alert(1)</script>*/=1')]);
    const answer = await upload(stack, AVATAR, bytes, 'x.html', 'text/html');
    assert.equal(answer.status, 200, answer.text);
    const served = await request(address(stack, AVATAR.url(answer.json)));
    assert.equal(served.headers['content-type'], 'image/gif');
    assert.equal(served.headers['x-content-type-options'], 'nosniff');
  });

  it('a plain text is taken by /api/upload, and its markup is never rendered', async () => {
    const answer = await upload(stack, FILE, Buffer.from(`just a note ${unique()}\n`), 'note.html', 'text/html');
    assert.equal(answer.status, 200, answer.text);
    const served = await request(address(stack, FILE.url(answer.json)));
    assert.match(served.headers['content-type'], /^text\/plain/);
    assert.match(served.headers['content-security-policy'], /sandbox/);
  });

  describe('by the server API', () => {
    let key, token;
    const thumbnail = (url, side) => request(address(stack, `${url}?size=${side}`));
    const code = ({ status, json }) => [status, json?.error?.code];
    before(async () => {
      const named = `uploads-${unique('')}`;
      key = (await stack.chaguan('key', 'add', named, '--scope', 'read,write,admin')).stdout.trim();
      const headers = { Authorization: `Bearer ${key}` };
      assert.equal((await request(`${stack.url}/v1/users/4711`, { method: 'PUT', headers, body: '{"name":"Ann"}' })).status,
        201);
      token = (await request(`${stack.url}/v1/users/4711/token`, { method: 'POST', headers, body: '{}' })).json.token;
      stack.keepSecret(key);
      stack.keepSecret(token);
    });

    it('a backend and a user upload a picture and learn its size; every size of thumbnail is served', async () => {
      const bytes = picture(800, 400);
      for (const bearer of [key, token]) {
        const { status, json, text } = await uploadApi(stack, bearer, bytes, 'C:\\\\photos\\\\..\u202egnp.茶 1.png');
        assert.equal(status, 201, text);
        assert.match(json.url, /^\/media\/[0-9a-f]{32}\.png$/);
        assert.deepEqual({ ...json, url: '' }, { url: '', kind: 'image/png', bytes: bytes.length, name: 'gnp.茶 1.png',
          width: 800, height: 400 });
        assert.ok((await request(address(stack, json.url))).bytes.equals(bytes));
        for (const [side, size] of Object.entries({ 128: [128, 64], 320: [320, 160], 640: [640, 320], 1280: [800, 400] })) {
          const small = await thumbnail(json.url, side);
          assert.deepEqual([small.status, small.headers['content-type']], [200, 'image/webp'], small.text);
          assert.deepEqual(webpSize(small.bytes), size);
          assert.equal(small.headers['x-content-type-options'], 'nosniff');
          assert.match(small.headers['cache-control'], /immutable/);
          const kept = await thumbnail(json.url, side);
          assert.ok(kept.bytes.equals(small.bytes) && kept.headers['last-modified'], 'the second time from the disk');
        }
      }
      assert.equal((await stack.metrics('rest')).thumbnails_made_total, 8);
    });

    it('what a camera has turned is told and shown as people see it', async () => {
      const { json } = await uploadApi(stack, key, turned(), 'x.jpg');
      assert.deepEqual([json.kind, json.width, json.height], ['image/jpeg', 8, 16]);
      assert.deepEqual(webpSize((await thumbnail(json.url, 128)).bytes), [8, 16]);
    });

    it('a file that is no picture has no size, and no thumbnail', async () => {
      for (const [bytes, kind] of [[Buffer.from(`note ${unique()}\n`), 'text/plain'], [mp4(2000), 'video/mp4']]) {
        const { status, json } = await uploadApi(stack, key, bytes, 'x.png');
        assert.deepEqual([status, json.kind, json.width, json.name], [201, kind, undefined, 'x.png']);
        const none = await thumbnail(json.url, 128);
        assert.deepEqual([none.status, none.json.code], [415, 'no_thumbnail']);
      }
      const { json } = await uploadApi(stack, key, Buffer.from('plain\n'), '../..');
      assert.match(json.name, /^[0-9a-f]{32}\.txt$/, 'a name of which nothing is left');
    });

    it('a picture that bursts who opens it is 413; one that is cut is taken and has no thumbnail; pages are 415', async () => {
      const kept = () => files().filter((name) => !name.endsWith('.no'));
      const before = [kept(), await rows()];
      const bomb = picture(60_000, 60_000, 1);
      assert.ok(bomb.length < 1e6);
      assert.deepEqual(code(await uploadApi(stack, key, bomb)), [413, 'too_many_pixels']);
      for (const page of ['<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', '<!DOCTYPE html><p>'])
        assert.deepEqual(code(await uploadApi(stack, key, Buffer.from(page))), [415, 'unsupported_type']);
      assert.deepEqual([kept(), await rows()], before);
      const both = Buffer.concat([Buffer.from('474946383961010001000000ff002c', 'hex'),
        Buffer.from('/*<html><script>alert(1)</script>*/=1')]);
      for (const cut of [picture(800, 400).subarray(0, 3000), picture(3000, 3000, 1), both]) {
        const { status, json } = await uploadApi(stack, key, cut);
        assert.deepEqual([status, json.width], [201, undefined]);
        const none = await thumbnail(json.url, 640);
        assert.deepEqual([none.status, none.json.code, none.headers['content-type']],
          [415, 'no_thumbnail', 'application/json; charset=utf-8']);
      }
    });

    it('who is nobody, a reader, a foreign size, no file: each has its answer, also before the body is read', async () => {
      assert.deepEqual(code(await uploadApi(stack, null, png())), [401, 'token_missing']);
      assert.deepEqual(code(await uploadApi(stack, `ck_${'0'.repeat(40)}`, png())), [401, 'key_unknown']);
      assert.deepEqual(code(await uploadApi(stack, 'x.y.z', png())), [401, 'token_malformed']);
      const reader = (await stack.chaguan('key', 'add', `reader-${unique('')}`, '--scope', 'read')).stdout.trim();
      assert.deepEqual(code(await uploadApi(stack, stack.keepSecret(reader), png())), [403, 'scope']);
      assert.deepEqual(code(await uploadApi(stack, key, png(MB25 + 1))), [413, 'too_big']);
      const headers = { Authorization: `Bearer ${key}` };
      assert.deepEqual(code(await request(`${stack.url}/v1/uploads`, { method: 'POST', headers, body: '{}' })),
        [400, 'invalid']);
      const { json } = await uploadApi(stack, key, picture(20, 20));
      for (const side of ['127', '0', '-1', 'x', '1e9', '128/../..', '%00'])
        assert.equal((await thumbnail(json.url, side)).status, 400, side);
      assert.equal((await thumbnail(`/media/${'0'.repeat(32)}.png`, 128)).status, 404);
      assert.ok((await request(`${stack.url}/chaguan/thumbnail/${json.url.slice(7)}`)).status >= 400);
    });

    it('with an Idempotency-Key a large file is stored once, and a repetition has the same answer', async () => {
      const before = await rows(), bytes = png(3 << 20);
      const sent = form([{ name: 'file', filename: 'x.png', bytes }], 'same');
      Object.assign(sent.headers, { Authorization: `Bearer ${key}`, 'Idempotency-Key': unique('key') });
      const answers = [];
      for (let i = 0; i < 3; i++) answers.push(await request(`${stack.url}/v1/uploads`, { method: 'POST', ...sent }));
      for (const { status, json } of answers) assert.deepEqual([status, json], [201, answers[0].json]);
      assert.equal(await rows(), before + 1);
    });

    it('50 who ask at once for thumbnails all get them, and others are answered meanwhile', async () => {
      const urls = [];
      for (let i = 0; i < 10; i++) urls.push((await uploadApi(stack, key, picture(300 + i, 200))).json.url);
      const asked = Promise.all(Array.from({ length: 50 }, (_, i) => thumbnail(urls[i % 10], 128)));
      const other = await request(`${stack.url}/healthz`);
      assert.equal(other.status, 200);
      for (const { status, bytes } of await asked)
        assert.deepEqual([status, webpSize(bytes)?.[0]], [200, 128]);
      assert.equal((await stack.metrics('rest')).thumbnails_running, 0);
    });

    it('what nobody refers to goes with all that was made of it', async () => {
      const { json } = await uploadApi(stack, key, picture(200, 100));
      const name = json.url.slice(7);
      await thumbnail(json.url, 128);
      await stack.sql('UPDATE media SET created_at = created_at - INTERVAL 2 DAY WHERE name = ?', [name]);
      assert.equal((await stack.chaguan('media', 'gc')).code, 0);
      assert.deepEqual(files().filter((file) => file.includes(name)), []);
      assert.equal((await thumbnail(json.url, 128)).status, 404);
    });
  });

  it('while the database is down an upload is 503 and leaves nothing', async () => {
    const before = files();
    await stack.stopPart('mariadb');
    assertRefused(await upload(stack, AVATAR, png()), AVATAR, 503);
    assert.deepEqual(files(), before);
    await stack.startPart('mariadb');
    await eventually(async () => (await upload(stack, AVATAR, png())).status === 200, 'uploads to be taken again');
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});

describe('the quota of uploads', () => {
  let stack, thumbnailer;
  before(async () => {
    stack = await Stack.start({ relays: 1, settings: (dir) => {
      thumbnailer = `${dir}/thumbnailer`;
      program('exec "$real" "$@"');
      return { media_quota_bytes: '1m', upload_max_bytes: '900k', thumbnail_program: thumbnailer,
        thumbnail_timeout_ms: '1s', thumbnails_max_bytes: '1m' };
    } });
  });
  after(() => stack?.remove());
  /** What is started for a thumbnail from now on: a line of shell before or instead of the real program. */
  const program = (line) => {
    fs.writeFileSync(`${thumbnailer}.new`, `#!/bin/sh\nreal=${bin}/chaguan-thumbnail\n${line}\n`, { mode: 0o755 });
    fs.renameSync(`${thumbnailer}.new`, thumbnailer);
  };

  it('a thumbnail whose process stops, dies or talks nonsense is given up in time and harms nothing else', async () => {
    const key = stack.keepSecret((await stack.chaguan('key', 'add', 'app', '--scope', 'write')).stdout.trim());
    const ends = { stopped: 'kill -STOP $$', dead: 'kill -KILL $$', mute: 'exit 0', nonsense: 'echo made' };
    let killed = 0;
    for (const [what, line] of Object.entries(ends)) {
      program(line);
      const { status, json } = await uploadApi(stack, key, picture(64, 64));
      assert.deepEqual([status, json.width], [201, undefined], `${what}: the file itself is whole, and kept`);
      killed += what !== 'nonsense';
      assert.equal((await stack.metrics('rest')).thumbnails_killed_total, killed, what);
      program('exec "$real" "$@"');
      const later = await request(address(stack, `${json.url}?size=128`));
      assert.deepEqual([later.status, later.json.code, later.headers['retry-after']], [503, 'unavailable', '60'],
        'not at once again');
      const mark = stack.file(`media/thumbnails/${json.url.slice(7)}.no`);
      fs.utimesSync(mark, Date.now() / 1000 - 61, Date.now() / 1000 - 61);
      assert.equal((await request(address(stack, `${json.url}?size=128`))).status, 200, 'a minute later');
    }
    program('kill -STOP $$');
    const url = (await uploadApi(stack, key, Buffer.from('a text\n'))).json.url;
    const many = await Promise.all(Array.from({ length: 9 }, () => uploadApi(stack, key, picture(65, 65))));
    assert.deepEqual(many.map(({ status }) => status), Array(9).fill(201), 'uploads do not wait for ever');
    assert.equal((await request(address(stack, url))).status, 200);
    assert.equal((await stack.metrics('rest')).thumbnails_running, 0);
    const { stdout } = await run('pgrep', ['-f', thumbnailer]);
    assert.equal(stdout, '', 'none is left');
  });

  it('thumbnails are only kept as long as there is room', async () => {
    program('exec "$real" "$@"');
    const filler = Array.from({ length: 5 }, (_, i) => `${String(i).repeat(32)}.png.128`);
    for (const [i, name] of filler.entries()) {
      const file = stack.file(`media/thumbnails/${name}`);
      fs.writeFileSync(file, Buffer.alloc(300_000));
      fs.utimesSync(file, 1000 + i, 1000 + i);
    }
    await stack.give('media');
    await stack.kill('rest');
    await stack.startPart('rest'); // it looks at what there is with the first that it makes
    const key = stack.keepSecret((await stack.chaguan('key', 'add', 'other', '--scope', 'write')).stdout.trim());
    assert.equal((await uploadApi(stack, key, picture(64, 64))).json.width, 64);
    const left = fs.readdirSync(stack.file('media/thumbnails'));
    assert.deepEqual(filler.filter((name) => left.includes(name)), filler.slice(2), 'the oldest went');
    assert.equal((await stack.metrics('rest')).thumbnails_evicted_total, 2);
    fs.rmSync(stack.file('media/thumbnails'), { recursive: true });
    for (const name of fs.readdirSync(stack.file('media'))) fs.rmSync(stack.file(`media/${name}`));
    await stack.sql('DELETE FROM media');
    await stack.sql("DELETE FROM meta WHERE name = 'media_bytes'");
  });

  it('is never passed, also by many at once; what does not fit gets 507 and leaves nothing', async () => {
    assertRefused(await upload(stack, AVATAR, png(900 * 1024 + 1)), AVATAR, 413);
    const answers = await Promise.all(Array.from({ length: 10 }, () => upload(stack, AVATAR, png(300_000))));
    const statuses = answers.map((answer) => answer.status).sort();
    assert.deepEqual(statuses, [200, 200, 200, ...Array(7).fill(507)]);
    for (const answer of answers.filter((a) => a.status === 507)) assertRefused(answer, AVATAR, 507);
    assert.equal(fs.readdirSync(stack.file('media')).length, 3);
    assert.equal((await upload(stack, AVATAR, png())).status, 200, 'a small one still fits');
  });

  it('and what cannot fit is refused before its body is read, in the words of its call', async () => {
    for (const call of CALLS)
      for (const [length, status] of [[899_999, 507], [2_000_000, 413]]) {
        const raw = await Raw.connect(stack.port);
        raw.send(`POST ${call.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n`
          + `Content-Length: ${length}\r\n\r\n--x\r\n`);
        const text = await raw.until(() => /\}\s*$/.test(raw.text) && raw.text, `the refusal of ${length} bytes`);
        const body = text.slice(text.indexOf('\r\n\r\n') + 4);
        assertRefused({ status: raw.status, json: JSON.parse(body), text: body }, call, status);
        raw.destroy();
      }
    assert.deepEqual(fs.readdirSync(stack.file('nginx/body')).flatMap((name) =>
      fs.readdirSync(stack.file(`nginx/body/${name}`), { recursive: true })).filter((name) => /\d{5,}/.test(name)), []);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
