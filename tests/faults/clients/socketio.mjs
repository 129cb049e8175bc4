// The chat room on Socket.IO, with the official client: it recovers by itself what it can.
import { io } from 'socket.io-client';
import { Client, Outstanding, PATIENCE_MS, pause } from '../world.mjs';

const SYSTEM = '系统';
export const LOOKOUT = 'lookout'; // a room that those enter who only listen: who is in it can be asked for

export class Chatter extends Client {
  /** speaks: has a name. transports: as the official client calls them. */
  constructor(world, name, { transports, speaks }) {
    super(world, name, '/');
    Object.assign(this, { transports, speaks, recoveries: 0 });
  }

  async run() {
    const socket = io(`http://127.0.0.1:${this.world.stack.port}/`,
      { forceNew: true, transports: this.transports, reconnectionDelay: 50, reconnectionDelayMax: 1000,
        timeout: 5000 });
    this.socket = socket;
    const gone = new Promise((resolve) => {
      this.cut = () => {
        socket.io.reconnection(false);
        socket.disconnect();
        resolve();
      };
    });
    socket.on('message', (message) => message.username === SYSTEM || message.private
      || this.had(message.seq, message.content));
    socket.on('connect', () => this.come(socket.recovered));
    socket.on('disconnect', () => {
      this.connected = false;
      this.answered?.({ what: 'unknown', why: 'disconnected' });
    });
    await gone;
  }

  come(recovered) {
    if (recovered) this.recoveries++;
    else if (this.last !== undefined) this.lost();
    this.opened(recovered ? this.last : undefined);
    this.connected = Boolean(recovered && this.settled);
    if (!this.connected) this.settle(this.socket.id);
  }

  /** Its name, or its room: asked for until it has it, or another connection is there. */
  async settle(id) {
    const [event, argument] = this.speaks ? ['message', () => `${this.name}-${Math.random().toString(36).slice(2, 8)}`]
      : ['join', () => LOOKOUT];
    this.settled = false;
    while (!this.closing && this.socket.id === id && this.socket.connected) {
      const answer = await this.emit(event, argument());
      if (answer?.success && this.socket.id === id) {
        this.settled = this.connected = true;
        return;
      }
      await pause(100);
    }
  }

  /** The acknowledgement, or undefined. */
  emit(event, argument) {
    return new Promise((resolve) => {
      this.socket.timeout(PATIENCE_MS).emit(event, argument, (error, answer) => resolve(error ? undefined : answer));
    });
  }

  async say(text) {
    return this.ask(() => {
      this.emit('message', text).then((answer) => {
        if (answer?.success) this.answered?.({ what: 'ack', seq: answer.seq });
        else this.answered?.({ what: answer && answer.error !== 'unknown' ? 'refused' : 'unknown', why: answer?.error
          ?? 'no answer' });
      });
    });
  }
}

/** Emits dozens of messages without waiting for their acknowledgements, which are matched by the emit that each belongs
 *  to. With rooms it goes in and out of them meanwhile, so that it speaks to all, to one room, or to two at once. */
export class HastyChatter extends Chatter {
  outstanding = new Outstanding(this);
  rooms = [];

  write(text) {
    this.socket.timeout(PATIENCE_MS).emit('message', text, (error, answer) => {
      if (/timed out/.test(error?.message)) this.world.wrong(`${this.name}: no acknowledgement in a minute`);
      const refused = answer && !answer.success && answer.error !== 'unknown';
      if (answer?.success && !answer.seq) this.world.wrong(`${this.name}: acknowledged without a number`);
      this.outstanding.settle(text, answer?.success ? { what: 'ack', seq: answer.seq }
        : { what: refused ? 'refused' : 'unknown', why: answer?.error ?? error?.message });
    });
  }

  moveAbout() {
    for (const room of this.rooms) if (Math.random() < 0.4) this.emit(Math.random() < 0.6 ? 'join' : 'leave', room);
  }

  talkOn() {
    return this.outstanding.burst((text) => this.write(text), { before: () => this.moveAbout() });
  }
}
