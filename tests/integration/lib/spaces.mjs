// A client of the spaces, as the article's mini program is one: a token in a header, the room's number in the path, its id
// in another header; and tokens made by hand, good and bad.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { tell } from './friends.mjs';
import { request } from './http.mjs';
import { Socket, unique } from './socket.mjs';

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const signers = {
  HS256: (text, key) => crypto.createHmac('sha256', key).update(text).digest('base64url'),
  HS384: (text, key) => crypto.createHmac('sha384', key).update(text).digest('base64url'),
  HS512: (text, key) => crypto.createHmac('sha512', key).update(text).digest('base64url'),
  RS256: (text, key) => crypto.sign('sha256', Buffer.from(text), key).toString('base64url'),
  RS512: (text, key) => crypto.sign('sha512', Buffer.from(text), key).toString('base64url'),
  ES256: (text, key) =>
    crypto.sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url'),
  none: () => '',
};
export const nowS = () => Math.floor(Date.now() / 1000);

/** A JSON Web Token. `signed`: with which algorithm it is really signed, if not with the one it names. */
export function makeToken(claims, key, { alg = 'HS256', header = {}, signed = alg } = {}) {
  const text = `${encode({ typ: 'JWT', alg, ...header })}.${encode(claims)}`;
  return `${text}.${(signers[signed] ?? signers.none)(text, key)}`;
}

/** The claims that a good token of this user has. */
export const claimsOf = (userId, more = {}) =>
  ({ sub: userId, aud: 'chaguan', iat: nowS(), exp: nowS() + 600, ...more });
export const readToken = (token) => token.split('.').slice(0, 2)
  .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8')));

/** The body of a good answer: this protocol wraps nothing. */
async function data(answer) {
  const { status, text, json } = await answer;
  assert.equal(status, 200, text);
  return json;
}

/** {userId, token, expires, nickName} */
export async function login(stack, nickName = unique('player'), more = {}) {
  return { ...(await data(tell(stack, 'login', { nickName, ...more }))), nickName };
}

export const read = (stack, path, { token } = {}) => request(`${stack.url}/api/${path}`,
  { headers: token ? { token } : {} });
export const write = (stack, path, { token } = {}, body = {}) => tell(stack, path, body, token ? { token } : {});

/** {roomId, roomNum} */
export const newSpace = (stack, user, body = { name: unique('space') }) => data(write(stack, 'spaces', user, body));
export const seen = (stack, { roomId }, user) => data(read(stack, `spaces/${roomId}`, user));
export const transfer = (stack, { roomId }, user, body) => write(stack, `spaces/${roomId}/transfers`, user, body);

export class Player extends Socket {
  /** The article's connectSocket(); with `query`, as a browser has to. */
  static at(stack, space, user, { relay = 0, query = false } = {}) {
    const path = `/${encodeURIComponent(space.roomNum)}`;
    const player = query
      ? Player.dial(stack, `${path}?token=${encodeURIComponent(user.token)}&roomId=${space.roomId}`, { relay })
      : Player.dial(stack, path, { relay, options: { headers: { token: user.token, 'room-id': space.roomId } } });
    return Object.assign(player, { space, user });
  }

  /** Connected, and it reads what the space hears. */
  static async enter(stack, space, user, how) {
    const player = Player.at(stack, space, user, how);
    await player.opened;
    await settle(player);
    return player;
  }

  eventsOf(value) {
    const of = { userJoin: 'arrival', userLeave: 'departure', transfer: 'transfer' };
    const message = Object.keys(of).filter((key) => key in value).map((key) => of[key])[0]
      ?? (['system', 'error'].includes(value.type) ? value.type : 'frame');
    Player.described?.check(message, value);
    return super.eventsOf(value);
  }

  /** The article's sendSocketMessage(). The text that went out. */
  say(params) {
    const frame = { spaceName: this.space.roomNum, ...params };
    const text = JSON.stringify(frame);
    Player.described?.check('frame', frame);
    for (const value of Object.values(params)) this.stack.keepSecret(value);
    this.ws.send(text);
    return text;
  }

  /** Exactly this text, once it is here. */
  heard(text) {
    return this.until(() => this.frames.includes(text), `the frame ${text.slice(0, 80)}`);
  }

  joined(user) {
    return this.until(() => this.events.find((event) => event.userJoin === `${user.nickName}加入了房间`),
      `the arrival of ${user.nickName}`);
  }

  left(user) {
    return this.until(() => this.events.find((event) => event.userLeave === `${user.nickName}退出了房间`),
      `the departure of ${user.nickName}`);
  }

  /** The frames in which people came and went, but for settle()'s own. */
  get moves() {
    return this.events.filter((event) => event.userJoin || event.userLeave);
  }

  async refusal() {
    return (await this.nextEvent((event) => event.type === 'error', 'a refusal')).code;
  }
}

/** Everything that these members of one space were sent before has arrived: all have heard what each of them said. */
export async function settle(...players) {
  for (const player of players) {
    const text = player.say({ settle: unique('settle') });
    await Promise.all(players.map((other) => other.heard(text)));
  }
}
