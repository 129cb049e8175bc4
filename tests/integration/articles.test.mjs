// The programs of the five articles, as their readers write them: nothing of them knows of Chaguan but the address. Two
// people on different relays, second devices, reloads, wrong input; and the pages in a real browser, from a folder of the
// reader's own.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import WebSocket from 'ws';
import { Browser, browserMissing } from './lib/browser.mjs';
import { register } from './lib/customers.mjs';
import { couple } from './lib/friends.mjs';
import { IoClient } from './lib/io.mjs';
import { login, newSpace, seen } from './lib/spaces.mjs';
import { Socket, unique } from './lib/socket.mjs';
import { Stack, eventually, post, request, top } from './lib/stack.mjs';
import { mp4, png } from './lib/uploads.mjs';
import { makeWx } from './lib/wx.mjs';

const PAGES = path.join(top, 'tests/integration/articles');
const POLICY = "default-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' https://cdn.bootcss.com; " +
  "connect-src 'self' ws: wss:";
const TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/;

/** As axios answers: an error for any status that is none of success. */
async function axiosPost(url, body) {
  const { status, json } = await post(url, body);
  if (status < 200 || status >= 300) throw new Error(`Request failed with status code ${status}`);
  return { data: json };
}

describe("the articles' programs", () => {
  let stack, site;
  before(async () => {
    site = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-site-'));
    fs.chmodSync(site, 0o755);
    for (const page of fs.readdirSync(PAGES)) fs.copyFileSync(path.join(PAGES, page), path.join(site, page));
    fs.copyFileSync(path.join(PAGES, 'chat.html'), path.join(site, 'index.html'));
    process.env.SITE_POLICY = POLICY;
    stack = await Stack.start({ relays: 2, settings: { demos: 'on', site_dir: site, grace_ms: '100ms',
      members_interval_ms: '20ms' } });
  });
  after(async () => {
    await stack?.remove();
    delete process.env.SITE_POLICY;
    fs.rmSync(site, { recursive: true, force: true });
  });

  describe('the chat room with ids', () => {
    /** The page behind the entrance: asks whether it may be here, or goes back to the entrance. */
    class RoomPage {
      constructor(relay) {
        this.api = `${stack.url}/mysql`;
        this.ws = stack.wsUrl(relay);
        this.storage = {};
        this.lines = [];
      }

      async enter(chatroomName, nickName) {
        const { data } = await axiosPost(`${this.api}/createChatroom`, { chatroomName, nickName, headNum: 3 });
        if (!data.success) return data.error;
        this.storage = { roomId: data.data.chatroomId, nickId: data.data.nickId };
        return null;
      }

      async load() {
        const { roomId, nickId } = this.storage;
        const { data: valid } = await axiosPost(`${this.api}/validateNickIdByRoomId`, { roomId, nickId });
        if (!valid.success) return 'redirected to the entrance';
        this.title = (await axiosPost(`${this.api}/getRoomInfo`, { roomId })).data.data;
        this.nick = (await axiosPost(`${this.api}/getUserInfo`, { userId: nickId })).data.data;
        this.socket = Object.assign(new Socket(stack, new WebSocket(`${this.ws}/mysql?roomId=${roomId}&nickId=${nickId}`)),
          { eventsOf: (events) => events });
        await this.socket.opened;
        this.send('query-logs', {});
        await this.event('logs', () => true);
        return null;
      }

      send(type, more) {
        const { roomId, nickId } = this.storage;
        this.socket.sendJson({ type, sendUserName: this.nick, sendUserId: nickId, sendRoom: roomId, ...more });
      }

      say(content) {
        this.send('message', { content, sendTime: new Date().toLocaleString('zh-CN') });
        return content;
      }

      event(type, match) {
        return this.socket.until(
          () => this.socket.events.find((event) => event.type === type && match(event.data))?.data, type);
      }

      heard(content) {
        return this.event('message', (line) => line.log_content === content);
      }
    }

    it('a page without ids goes to the entrance, and every wrong entry is told there', async () => {
      const page = new RoomPage(0);
      assert.equal(await page.load(), 'redirected to the entrance');
      for (const [room, nick] of [['', 'x'], ['x', ''], ['x'.repeat(65), 'x'], ['x', 'system'], [undefined, 'x']])
        assert.equal(await page.enter(room, nick), '创建失败');
      assert.deepEqual((await axiosPost(`${page.api}/getRoomInfo`, { roomId: 'room_1' })).data, { success: true });
      assert.deepEqual((await axiosPost(`${page.api}/getUserInfo`, {})).data, { success: true });
    });

    it('two people on different relays, a second device, a reload', async () => {
      const room = unique('房间'), [ann, bob, phone] = [new RoomPage(1), new RoomPage(2), new RoomPage(2)];
      for (const [page, nick] of [[ann, 'Ann'], [bob, 'Bob']]) {
        assert.equal(await page.enter(room, unique(nick)), null);
        assert.equal(await page.load(), null);
        assert.equal(page.title, room);
      }
      phone.storage = ann.storage;
      assert.equal(await phone.load(), null);
      await ann.event('members', (members) => members.length === 2);
      const content = bob.say(unique('大家好'));
      for (const page of [ann, bob, phone]) {
        const line = await page.heard(content);
        assert.match(line.log_time, /^\d{4}\/\d{1,2}\/\d{1,2} \d\d:\d\d:\d\d$/, 'as the page wrote it');
      }
      bob.socket.ws.close();
      await bob.socket.closed;
      assert.equal(await bob.load(), null); // reloaded: still valid, and what was said is there
      assert.ok((await bob.event('logs', () => true)).some((line) => line.log_content === content));
      bob.socket.sendRaw('no JSON');
      await ann.heard(bob.say(unique('still here')));
    });
  });

  describe('the friend chat', () => {
    /** The class around a WebSocket, as the article has it. */
    class Request {
      constructor(url, userId) {
        this.userId = userId;
        this.received = [];
        this.socket = new Socket(stack, new WebSocket(`${url}/${userId}`));
      }

      send(friendId, content, receiverId, type = 'text', more = {}) {
        this.socket.sendJson({ friend: friendId, from: this.userId, to: receiverId, content, type, ...more });
        return content;
      }

      heard(content) {
        return this.socket.until(() => this.socket.events.find((message) => message.content === content), content);
      }
    }

    it('two friends on different relays, their second devices, fields of their own, what was missed', async () => {
      const { friendId, one, other } = await couple(stack);
      const [a, b] = [one.user.userId, other.user.userId];
      const ann = new Request(`${stack.wsUrl(1)}/ws`, a);
      const devices = [new Request(`${stack.wsUrl(2)}/ws`, b), new Request(`${stack.wsUrl(0)}/ws`, b)];
      await Promise.all([ann, ...devices].map((request) => request.socket.opened));
      const greetings = new Set(); // until heard: who has just opened may not be in its conversations yet
      await eventually(() => {
        greetings.add(ann.send(friendId, unique('喂'), b));
        return devices.every(({ socket }) => socket.events.some(({ content: said }) => greetings.has(said)));
      }, 'both devices to hear');
      const own = { avatar: '/heads/1.png', extra: { 心情: ['乐'] } };
      const content = ann.send(friendId, unique('你好啊'), b, 'text', own);
      for (const device of devices) {
        const { avatar, extra } = await device.heard(content);
        assert.deepEqual({ avatar, extra }, own);
      }
      const file = ann.send(friendId, '报告.pdf', b, 'file');
      assert.equal((await devices[0].heard(file)).type, 'file');
      for (const device of devices) device.socket.ws.close();
      await Promise.all(devices.map((device) => device.socket.closed));
      const missed = ann.send(friendId, unique('在吗'), b, 'text', own);
      await eventually(async () => {
        const { json } = await request(`${stack.url}/api/friends/${friendId}/messages?userId=${b}`);
        const row = json.data.find((one) => one.content === missed);
        return row && row.avatar === own.avatar;
      }, 'the history');
    });

    it('its first version: whoever comes, everybody is greeted, on whichever relay', async () => {
      const come = async (relay) => {
        const socket = new WebSocket(`${stack.wsUrl(relay)}/ws`);
        const greeted = [];
        socket.on('message', (data) => greeted.push(data.toString()));
        socket.on('open', () => socket.send('hello from user'));
        stack.atEnd(() => socket.terminate());
        await eventually(() => greeted.length, 'a greeting');
        return greeted;
      };
      const first = await come(1);
      await eventually(async () => (await come(2)) && first.length > 1, 'the greeting of another');
      assert.deepEqual([...new Set(first)], ['hello from server']);
    });
  });

  describe('the customer sessions of a mini program', () => {
    /** The page of a session; its socket is the program's only one. */
    function sessionPage(relay, me, friend, files = {}) {
      const wx = makeWx(stack, { files });
      const page = { wx, lists: [], failures: [], chatInfo: { friendInfo: friend, userInfo: me } };
      const take = (res) => {
        const answer = JSON.parse(res.data);
        if (!answer.data) page.failures.push(answer);
        else page.lists.push(answer.data);
      };
      page.load = () => {
        wx.connectSocket({ url: `${stack.wsUrl(relay)}/chat/v1/message?friendphone=${friend.account}` +
          `&userphone=${me.account}&app_sid=${me.app_sid}`, header: { 'content-type': 'application/json' } });
        wx.onSocketOpen(() => wx.onSocketMessage(take));
      };
      page.send = (content, type) => {
        wx.sendSocketMessage({ data: JSON.stringify({ ...page.chatInfo, chat_content: content, chat_type: type }) });
        wx.onSocketMessage(take); // again after each message, as the article has it
      };
      const upload = (call, name, filePath, url, type) => new Promise((resolve) => {
        wx.uploadFile({ url: `${stack.url}/users/${call}`, filePath, name, success: (res) => {
          const result = JSON.parse(res.data);
          if (result.status === 200) page.send(url(result.payload), type);
          resolve({ statusCode: res.statusCode, err: result.err });
        } });
      });
      page.sendImage = () => new Promise((resolve) => {
        wx.chooseImage({ success: (res) => resolve(
          upload('upload_avatar', 'avatar', res.tempFilePaths[0], (payload) => payload.avatar_path, 1)) });
      });
      page.sendVideo = () => new Promise((resolve) => {
        wx.chooseVideo({ success: (res) => resolve(
          upload('upload_video', 'mp4_url', res.tempFilePath, (payload) => payload, 2)) });
      });
      page.shows = (match) => eventually(() => page.lists.at(-1)?.find(match), 'a row');
      return page;
    }

    it('text, a picture and a film reach both, on two relays and a second device; a reload has them all', async () => {
      const [wang, bob] = [await register(stack, { avatar: '/images/wang.png' }), await register(stack)];
      const files = { 'wxfile://tmp_image.jpg': png(), 'wxfile://tmp_video.mp4': mp4(5000) };
      const [one, other, phone] = [sessionPage(1, wang, bob, files), sessionPage(2, bob, wang), sessionPage(0, bob, wang)];
      for (const page of [one, other, phone]) {
        page.load();
        await eventually(() => page.lists.length, 'the first list');
        assert.deepEqual(page.lists[0], []);
      }
      const text = unique('在吗');
      one.send(text, 0);
      for (const page of [one, other, phone]) {
        const row = await page.shows((row) => row.content === text);
        assert.deepEqual([row.userphone, row.useravatar, row.chat_type], [wang.account, '/images/wang.png', 0]);
      }
      assert.equal((await one.sendImage()).statusCode, 200);
      assert.equal((await one.sendVideo()).statusCode, 200);
      for (const page of [one, other, phone]) {
        await page.shows((row) => row.chat_type === 1);
        const film = await page.shows((row) => row.chat_type === 2);
        assert.equal((await request(new URL(film.content, stack.url).href)).headers['content-type'], 'video/mp4');
      }
      other.wx.closeSocket();
      other.lists = [];
      other.load();
      await eventually(() => other.lists.at(-1)?.length === 3, 'the list after a reload');
      other.chatInfo.userInfo = { account: bob.account }; // the application is named once
      other.send(unique('在的'), 0);
      await one.shows((row) => row.userphone === bob.account);
    });

    it('a film that is too large is 413; who is not there is told so, and nothing is cut off', async () => {
      const [wang, bob] = [await register(stack), await register(stack)];
      const page = sessionPage(1, wang, bob, { 'wxfile://tmp_video.mp4': mp4(27_000_000) });
      assert.equal((await page.sendVideo()).statusCode, 413);
      const lost = sessionPage(2, wang, { account: 'nobody', app_sid: wang.app_sid });
      lost.load();
      await eventually(() => lost.failures.length === 1, 'the answer');
      lost.send('anybody?', 0);
      await eventually(() => lost.failures.length === 2, 'another answer');
      assert.deepEqual([...new Set(lost.failures.map((failure) => failure.msg))], ['用户不存在!']);
      assert.equal(lost.wx.socket.readyState, WebSocket.OPEN);
    });
  });

  describe('the spaces of a mini program', () => {
    /** The page of a room: loads it whenever a frame comes. */
    function roomPage(relay, user, space) {
      const wx = makeWx(stack);
      const page = { wx, heard: [], spoken: [], toasts: [], loads: 0, open: false };
      for (const [key, value] of Object.entries({ token: user.token, userId: user.userId, roomId: space.roomId,
        roomNum: space.roomNum })) wx.setStorageSync(key, value);
      page.getRoomInfo = async () => {
        page.room = await seen(stack, { roomId: wx.getStorageSync('roomId') }, user);
        page.loads++;
      };
      page.onLoad = () => {
        wx.connectSocket({ url: `${stack.wsUrl(relay)}/${wx.getStorageSync('roomNum')}`,
          header: { token: wx.getStorageSync('token'), 'room-id': wx.getStorageSync('roomId') } });
        wx.onSocketOpen(() => {
          page.open = true;
        });
        wx.onSocketClose((res) => Object.assign(page, { open: false, ended: res }));
        wx.onSocketError((res) => Object.assign(page, { failed: res }));
        wx.onSocketMessage((res) => {
          const data = JSON.parse(res.data);
          page.heard.push(data);
          if (data.toId === wx.getStorageSync('userId')) page.toasts.push(data.toMsg);
          page.loading = Promise.all([page.loading, page.getRoomInfo()]);
          if (data.userJoin) page.spoken.push(data.userJoin);
          if (data.userLeave) page.spoken.push(data.userLeave);
        });
      };
      page.leave = async () => {
        wx.closeSocket();
        await eventually(() => page.ended, 'the end');
        await page.loading;
      };
      page.sendSocketMessage = (params) => page.open &&
        wx.sendSocketMessage({ data: JSON.stringify({ spaceName: wx.getStorageSync('roomNum'), ...params }) });
      page.onLoad();
      return page;
    }

    it('each page hears its own arrival and loads its room: the first, a second device, and after a reload', async () => {
      const [may, sun] = [await login(stack), await login(stack)];
      const space = await newSpace(stack, may);
      const first = roomPage(1, may, space);
      await eventually(() => first.loads, 'the room');
      assert.equal(first.spoken[0], `${may.nickName}加入了房间`);
      const other = roomPage(2, sun, space);
      await eventually(() => other.loads && first.spoken.length === 2, 'the other');
      assert.deepEqual(other.spoken, [`${sun.nickName}加入了房间`]);
      const device = roomPage(2, may, space);
      await eventually(() => device.loads, 'the room on the second device');
      assert.deepEqual(device.spoken, [`${may.nickName}加入了房间`]);
      await device.leave();
      const reloaded = roomPage(1, may, space);
      await eventually(() => reloaded.loads, 'the room after a reload');
      assert.deepEqual(reloaded.spoken, [`${may.nickName}加入了房间`]);
      first.sendSocketMessage({ toId: sun.userId, toMsg: '给你 5 分' });
      await eventually(() => other.toasts.length, 'the toast');
      assert.deepEqual(other.toasts, ['给你 5 分']);
      await eventually(() => [first, reloaded].every((page) => page.heard.some((data) => data.toMsg)), 'all to hear it');
      assert.deepEqual(other.spoken, [`${sun.nickName}加入了房间`], 'a second device and a reload are no news to others');
      assert.equal(other.room.members.length, 2);
      for (const page of [first, other, reloaded]) await page.leave();
    });

    it('without a token that is one there is no socket', async () => {
      const user = await login(stack);
      const page = roomPage(1, { ...user, token: 'x.y.z' }, await newSpace(stack, user));
      await eventually(() => page.failed, 'the refusal');
      assert.match(page.failed.errMsg, /401/);
    });
  });

  describe('what is shown of transports', () => {
    it('the WebSocket echo answers with the words that the page counts on', async () => {
      const socket = new WebSocket(`${stack.wsUrl(0)}/echo`), said = [];
      stack.atEnd(() => socket.terminate());
      socket.onopen = () => ['3.客户端说', '', '{"a":1}', '茶'.repeat(1000)].forEach((text) => socket.send(text));
      socket.onmessage = (event) => said.push(event.data);
      await eventually(() => said.length === 4, 'four answers');
      assert.deepEqual(said, ['3.客户端说', '', '{"a":1}', '茶'.repeat(1000)].map((text) => `5.服务器说:${text}`));
    });

    it('the first Socket.IO server greets and echoes; the one with /news greets there, and hears', async () => {
      for (const transports of [['polling'], ['websocket']]) {
        const client = await IoClient.connect(stack, { nsp: '/echo-demo', relay: transports[0] === 'polling' ? 1 : 2,
          transports });
        assert.deepEqual(await client.event('message'), ['欢迎光临']);
        client.socket.send('welcome');
        assert.deepEqual(await client.event('message', 2), ['sever:welcome']);
        client.socket.send(5);
        assert.deepEqual(await client.event('message', 3), ['sever:5']);
        const news = IoClient.beside(client, '/news');
        assert.equal((await news.event('message'))[0], '/news 欢迎光临'); // behind it is the offset for a recovery
        assert.deepEqual(await news.ask('message', 'welcome'), [{ success: true }]);
      }
    });

    it('the clock tells the time in the form that is asked for, to so many at once', async () => {
      const text = await request(`${stack.url}/clock`);
      assert.deepEqual([text.status, text.headers['content-type']], [200, 'text/plain; charset=utf-8']);
      assert.match(text.text, TIME);
      assert.equal((await post(`${stack.url}/clock`, {})).status, 405);
      const controller = new AbortController();
      const answer = await fetch(`${stack.url}/clock`, { headers: { Accept: 'text/event-stream' },
        signal: controller.signal });
      assert.equal(answer.headers.get('content-type'), 'text/event-stream; charset=utf-8');
      let got = '';
      for await (const piece of answer.body) {
        got += Buffer.from(piece).toString();
        if (got.split('\n\n').length > 2) break;
      }
      controller.abort();
      const events = [...got.matchAll(/id: (\d+)\nevent: open\ndata: (.*)\n\n/g)];
      assert.equal(Number(events[1][1]), Number(events[0][1]) + 1, 'each second');
      assert.match(events[0][2], TIME);
      const script = await fetch(`${stack.url}/clock`, { headers: { 'Sec-Fetch-Dest': 'iframe' } });
      assert.equal(script.headers.get('content-type'), 'text/html; charset=utf-8');
      await script.body.cancel();
      // 256 on a relay: the next one is asked to come again
      const crowd = [];
      const look = () => {
        const call = fetch(`${stack.url.replace(String(stack.port), stack.relayPort(1))}/clock`,
          { headers: { Accept: 'text/event-stream' }, signal: gone.signal });
        crowd.push(call);
        return call;
      };
      const gone = new AbortController();
      await Promise.all(Array.from({ length: 256 }, look));
      const over = await look();
      assert.deepEqual([over.status, over.headers.get('retry-after')], [503, '1']);
      gone.abort();
      await Promise.allSettled(crowd);
    });
  });

  describe('the pages in a browser, from a folder of one\'s own', { skip: browserMissing }, () => {
    let browser;
    const noise = [];
    before(async () => {
      browser = await Browser.start(stack);
    });
    after(() => browser?.close());

    /** A page of the folder, with the CDN's library as far as the page uses it. */
    async function open(name) {
      const context = await browser.chromium.newContext();
      await context.route('https://cdn.bootcss.com/**', (route) => route.fulfill({ contentType: 'text/javascript',
        body: 'window.moment = (when) => ({ fromNow: () => new Date(when).toISOString() })' }));
      const page = await context.newPage();
      page.on('pageerror', (error) => noise.push(`${name}: ${error}`));
      page.on('dialog', (dialog) => dialog.dismiss());
      await page.goto(`${stack.url}/${name}`, { waitUntil: 'domcontentloaded' }); // the frame is never done
      return page;
    }

    it('is served before ours, with its own policy; what is not in it is ours', async () => {
      const own = await request(`${stack.url}/`);
      assert.equal(own.headers['content-security-policy'], POLICY);
      assert.equal(own.text, fs.readFileSync(path.join(site, 'index.html'), 'utf8'));
      const ours = await request(`${stack.url}/transports.html`);
      assert.match(ours.headers['content-security-policy'], /object-src 'none'/);
      assert.equal((await request(`${stack.url}/nowhere.html`)).status, 404);
      fs.writeFileSync(path.join(site, '.secret'), 'x');
      assert.equal((await request(`${stack.url}/.secret`)).status, 404);
    });

    it('the clock runs in all four pages', async () => {
      const pages = await Promise.all(['polling', 'long-polling', 'iframe', 'event-source']
        .map((name) => open(`${name}.html`)));
      await Promise.all(pages.map(async (page) => {
        const shown = () => page.textContent('#clock');
        await page.waitForFunction(() => /\d\d:\d\d:\d\d/.test(document.querySelector('#clock').textContent));
        const before = await shown();
        await page.waitForFunction((then) => document.querySelector('#clock').textContent !== then, before);
        assert.match(await shown(), TIME);
      }));
      await Promise.all(pages.map((page) => page.context().close()));
    });

    it('the chat room: names, a public line, a private one in the middle of a text, rooms, a reload', async () => {
      const [a, b, c] = [unique('Ann'), unique('Bob'), unique('Cyn')];
      const [ann, bob, cyn] = await Promise.all([open(''), open(''), open('index.html')]);
      const shows = (page, text) => page.waitForFunction(
        (wanted) => document.querySelector('#messageList').textContent.includes(wanted), text);
      const hides = async (page, text) => assert.ok(!(await page.textContent('#messageList')).includes(text), text);
      const say = async (page, text) => {
        stack.keepSecret(text);
        await page.fill('#textMsg', text);
        await page.press('#textMsg', 'Enter');
        return text;
      };
      for (const page of [ann, bob, cyn]) await page.waitForSelector('#messageList[data-loaded]', { state: 'attached' });
      await say(ann, a);
      await shows(bob, `${a}加入聊天室`);
      await say(bob, a);
      await shows(bob, `${a}已经被占用,请换一个用户名吧`);
      await say(bob, b);
      await shows(ann, `${b}加入聊天室`);
      await say(cyn, c);
      await shows(bob, `${c}加入聊天室`);
      await say(ann, '   '); // a dialog says no
      const aloud = await say(ann, unique('大家好'));
      for (const page of [ann, bob, cyn]) await shows(page, aloud);

      const [front, psst] = [unique('悄悄地'), unique('秘密')];
      await say(ann, `${front} @${b} ${psst}`);
      await shows(bob, psst);
      await say(ann, `hey @${unique('nobody')} ${unique('lost')}`);
      await shows(ann, '不在聊天室');
      const after = await say(cyn, unique('然后'));
      for (const page of [ann, bob, cyn]) await shows(page, after);
      for (const page of [ann, cyn]) await hides(page, psst);
      await hides(bob, front);
      for (const page of [ann, bob, cyn]) await hides(page, 'lost');

      for (const page of [ann, bob]) {
        await page.click('#joinRed');
        await page.waitForSelector('#leaveRed', { state: 'visible' });
      }
      const red = await say(ann, unique('在红房间'));
      await shows(bob, red);
      const public_ = await say(cyn, unique('在大厅'));
      for (const page of [ann, bob, cyn]) await shows(page, public_);
      await hides(cyn, red);
      await bob.click('#leaveRed');
      await bob.waitForSelector('#joinRed', { state: 'visible' });
      await bob.click('.user >> nth=-1'); // whom they click on is addressed
      assert.match(await bob.inputValue('#textMsg'), /^@.+ $/);

      await cyn.reload();
      await cyn.waitForSelector('#messageList[data-loaded]', { state: 'attached' });
      await shows(cyn, public_);
      for (const text of [psst, red, front]) await hides(cyn, text);
      for (const page of [ann, bob, cyn]) await page.context().close();
    });

    it('no page complained', () => assert.deepEqual(noise, []));
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
