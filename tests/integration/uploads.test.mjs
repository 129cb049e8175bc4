// Uploads: what is taken, what is not, what is left of it on the disk, and how nginx gives it out.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { unique } from './lib/socket.mjs';
import { fastcgi, fastcgiBegin } from './lib/fastcgi.mjs';
import { AVATAR, FILE, VIDEO, address, form, mp4, png, upload } from './lib/uploads.mjs';
import { Raw } from './lib/raw.mjs';
import { Stack, eventually, request } from './lib/stack.mjs';

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
  let stack;
  before(async () => {
    stack = await Stack.start({ relays: 1, settings: { media_quota_bytes: '1m', upload_max_bytes: '900k' } });
  });
  after(() => stack?.remove());

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
