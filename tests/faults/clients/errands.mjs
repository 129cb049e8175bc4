// The calls of REST that write something, many at once and none waited for before the next: rooms, friendships, read
// markers, customers, users, spaces, memberships, uploads. Each is made once, so that its own answer is what is judged;
// afterwards the database says what there is.
import { Client, NOT_DONE, PATIENCE_MS, pause } from '../world.mjs';

const AT_ONCE = 12;
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC', 'base64');
const BOUNDARY = 'a-boundary-that-no-picture-holds';

const form = Buffer.concat([Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="avatar"; ` +
  'filename="a.png"\r\nContent-Type: image/png\r\n\r\n'), PNG, Buffer.from(`\r\n--${BOUNDARY}--\r\n`)]);

/** Each kind: what to call, {key, path, body…}, or undefined if there is nothing to do; `value`: what a good answer says
 *  there is; `facts`: the rows, [{k, v}], whose keys are those of the claims. */
const KINDS = {
  room: {
    next: (errand) => {
      const nick = errand.name_('nick');
      const body = { chatroomName: errand.name_('room'), nickName: nick, headNum: 1 };
      return { key: `${body.chatroomName} ${nick}`, path: '/api/createChatroom', body };
    },
    value: ({ data }) => `${data.chatroomId} ${data.nickId}`,
    facts: `SELECT CONCAT(c.name, ' ', u.name) AS k, CONCAT(c.public_id, ' ', u.public_id) AS v
      FROM member m JOIN conversation c ON c.id = m.conversation AND c.kind = 1 JOIN user u ON u.id = m.user
      WHERE c.name LIKE ?`,
  },
  friendship: {
    next: ({ pairs }) => {
      const pair = pairs.pop();
      return pair && { key: [...pair].sort().join(' '), path: '/api/friends', body: { user1: pair[0], user2: pair[1] } };
    },
    value: ({ data }) => data.friendId,
    facts: `SELECT CONCAT(LEAST(a.public_id, b.public_id), ' ', GREATEST(a.public_id, b.public_id)) AS k, c.public_id AS v
      FROM pair p JOIN conversation c ON c.id = p.conversation JOIN user a ON a.id = p.user1 JOIN user b ON b.id = p.user2
      WHERE a.name LIKE ?`,
  },
  user: {
    next: (errand) => {
      const name = errand.name_('user');
      return { key: name, path: '/api/users', body: { name } };
    },
    value: ({ data }) => data.userId,
    facts: 'SELECT name AS k, public_id AS v FROM user WHERE realm = 2 AND name LIKE ?',
  },
  player: {
    next: (errand) => {
      const nickName = errand.name_('player');
      return { key: nickName, path: '/api/login', body: { nickName } };
    },
    value: ({ userId }) => userId,
    facts: 'SELECT name AS k, public_id AS v FROM user WHERE realm = 4 AND name LIKE ?',
  },
  customer: {
    next: (errand) => {
      const account = errand.name_('account');
      return { key: account, path: '/users/register', body: { account, app_sid: 'app', username: account, avatar: '' } };
    },
    value: ({ payload }) => payload.username,
    facts: 'SELECT account AS k, username AS v FROM customer WHERE account LIKE ?',
  },
  space: {
    next: (errand) => {
      const name = errand.name_('space');
      return { key: name, path: '/api/spaces', body: { name }, headers: { token: errand.owner.token } };
    },
    value: ({ roomId }) => roomId,
    facts: 'SELECT name AS k, public_id AS v FROM conversation WHERE kind = 4 AND name LIKE ?',
    done: (errand, key, value) => errand.spaces.push({ key, roomId: value }),
  },
  membership: {
    next: ({ spaces, guest }) => {
      const space = spaces.pop();
      return space && { key: space.key, path: `/api/spaces/${space.roomId}/join`, body: {}, headers: { token: guest.token } };
    },
    value: ({ roomNum }) => roomNum,
    facts: `SELECT c.name AS k, c.name AS v FROM member m JOIN conversation c ON c.id = m.conversation AND c.kind = 4
      JOIN user u ON u.id = m.user AND u.name LIKE '%-guest' WHERE c.name LIKE ?`,
  },
  upload: { // its name is known to who gets an answer only
    next: (errand) => ({ key: errand.name_('upload'), path: '/users/upload_avatar', raw: form,
      headers: { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` } }),
    value: ({ payload }) => payload.avatar_path.split('/').at(-1),
    named: true,
    facts: 'SELECT name AS k, name AS v FROM media WHERE ? IS NOT NULL',
  },
};

/** Markers of one reader, each somewhat further than the last: {read(seq) → call, marker(json), room, user}. */
const MARKS = {
  room: ({ seat }, seq) => ({ path: `/api/rooms/${seat.roomId}/read`, body: { nickId: seat.nickId, seq } }),
  friend: ({ friendId, userId }, seq) => ({ path: `/api/friends/${friendId}/read`, body: { userId, seq } }),
};
const markerOf = (json) => json.data.read ?? json.data.seq;

export class Errands extends Client {
  connected = true;
  spaces = [];
  markers = [];

  /** owner, guest: users of the spaces; pairs: of users of the friend chat, none of whom are friends yet. */
  constructor(world, name, { owner, guest, pairs }) {
    super(world, name, undefined);
    Object.assign(this, { owner, guest, pairs });
  }

  /** None of its places is read by it. */
  get places() {
    return [];
  }

  name_(what) {
    return this.world.text(`${this.name}-${what}`).replaceAll(' ', '.');
  }

  async tell({ path, body, raw, headers }) {
    try {
      const { status, json } = await this.world.call(path,
        { body, raw, headers, ms: 500 + Math.floor(Math.random() * 6000) });
      if (status === 200 && json) return { what: 'ack', json };
      return { what: NOT_DONE.includes(status) ? 'refused' : 'unknown', why: `${status} ${json?.code ?? json?.error}` };
    } catch (error) {
      return { what: 'unknown', why: error.code ?? error.message };
    }
  }

  async claim(kind) {
    const { next, value, done, named } = KINDS[kind];
    const wanted = next(this);
    if (!wanted) return;
    const { json, ...answer } = await this.tell(wanted);
    const told = json && value(json);
    if (told) done?.(this, wanted.key, told);
    this.world.record({ ev: 'claim', kind, key: named ? told ?? wanted.key : wanted.key, value: told, ...answer });
  }

  /** The marker goes on by one with each call, so that no two ask for the same. */
  async mark(marker) {
    const seq = ++marker.at;
    const { json, ...answer } = await this.tell(MARKS[marker.kind](marker, seq));
    this.world.record({ ev: 'mark', key: marker.key, seq, now: json && markerOf(json), ...answer });
  }

  async talkOn() {
    const { world } = this;
    const kinds = Object.keys(KINDS);
    const pending = new Set();
    const begin = (work) => {
      const one = work.finally(() => pending.delete(one));
      pending.add(one);
    };
    while (world.talking) {
      for (let i = Math.floor(Math.random() * (AT_ONCE - pending.size)); i > 0; i--)
        begin(Math.random() < 0.3 && this.markers.length
          ? this.mark(this.markers[Math.floor(Math.random() * this.markers.length)])
          : this.claim(kinds[Math.floor(Math.random() * kinds.length)]));
      await pause(20 + Math.random() * 120);
    }
    await Promise.race([Promise.all(pending), pause(PATIENCE_MS)]);
    if (pending.size) world.wrong(`${this.name}: calls without an end`);
  }

  /** What there is of all that was claimed, and where the markers are: lines of the history. */
  async facts() {
    const lines = [];
    const text = (value) => (Buffer.isBuffer(value) ? value.toString('utf8') : String(value));
    for (const [kind, { facts }] of Object.entries(KINDS))
      for (const { k, v } of await this.world.stack.sql(facts, [`${this.world.name}.${this.name}%`]))
        lines.push({ ev: 'fact', kind, key: text(k), value: text(v) });
    for (const { key, room, user } of this.markers) {
      const [row] = await this.world.stack.sql(`SELECT m.read_seq FROM member m JOIN conversation c ON c.id = m.conversation
        JOIN user u ON u.id = m.user WHERE c.public_id = ? AND u.public_id = ?`, [room, user]);
      lines.push({ ev: 'marked', key, seq: Number(row?.read_seq ?? 0) });
    }
    return lines;
  }
}
