// The types of chaguan-client. What a command takes and answers is told in docs/protocol.md of Chaguan.

/** Where somebody stands in a conversation: the last numbered event that they had. */
export interface Cursor {
  epoch: number;
  seq: number;
}

/** Who did something. `uid` gives no access; 0 is nobody. `id` is the application's own. */
export interface From {
  uid: number;
  id?: string;
  name: string;
  face?: string;
}

export type Kind = 'text' | 'emoji' | 'file' | 'image' | 'video';
export type Role = 'owner' | 'moderator' | 'member' | 'reader';
export type Meta = Record<string, unknown>;

interface Numbered extends Cursor {
  ch: number;
  ts: number;
  from: From;
}

export interface MessageEvent extends Numbered {
  ev: 'message';
  name: string;
  kind: Kind | 'join' | 'leave' | 'transfer' | 'other';
  content?: string | object;
  meta?: Meta;
  reply_to?: number;
  mentions?: number[];
  /** Of a history: the number of the last edit. */
  edited?: number;
  recalled?: true;
  reactions?: Record<string, { count: number; me: boolean }>;
}

export interface EditEvent extends Numbered {
  ev: 'edit';
  name: string;
  of: number;
  content?: string;
}

export interface RecallEvent extends Numbered {
  ev: 'recall';
  name: string;
  of: number;
}

export interface ReactEvent extends Numbered {
  ev: 'react';
  name: string;
  of: number;
  emoji?: string;
  on: boolean;
}

export interface JoinedEvent extends Numbered {
  ev: 'joined';
  by: number;
  role: Role;
  was?: Role;
}

export interface RemovedEvent extends Numbered {
  ev: 'removed';
  by: number;
}

export interface RenamedEvent extends Numbered {
  ev: 'renamed';
  name?: string;
}

/** In the place of the events `first` to `seq`, which were removed. */
export interface GoneEvent extends Cursor {
  ev: 'gone';
  ch: number;
  first: number;
}

/** What has a number: told once each, in order, with none left out. */
export type NumberedEvent =
  | MessageEvent | EditEvent | RecallEvent | ReactEvent | JoinedEvent | RemovedEvent | RenamedEvent | GoneEvent;

export interface Member {
  name: string;
  head: unknown;
}

export interface MembersEvent {
  ev: 'members';
  ch: number;
  members: Member[];
}

export interface TypingEvent {
  ev: 'typing';
  ch: number;
  from: From;
  name: string;
}

export interface ReadEvent {
  ev: 'read';
  ch: number;
  seq: number;
}

/** It is not listened to any more: `banned`, `kicked`, `revoked`, or why it could not be joined again (`not_found`, …). */
export interface KickedEvent {
  ev: 'kicked';
  ch: number;
  reason: string;
}

export type ChatEvent = NumberedEvent | MembersEvent | TypingEvent | ReadEvent | KickedEvent;

/** What happened between `was` and `cursor` is not told event by event: what is shown has to be read anew (`history`). */
export interface Reset {
  was: Cursor;
  cursor: Cursor;
  /** An older state of the database was restored: what was stored may be gone. */
  epoch_changed: boolean;
}

/** A command was refused, or its outcome cannot be known. */
export class ChaguanError extends Error {
  /** That of the protocol, or `closed`, `offline`, `unknown`, `too_big`, `cancelled`, `left`, `aborted`, `network`,
   *  `storage`, `transport`. */
  code: string;
  /** An earlier attempt had no answer: what was asked for may have been done all the same. */
  unknown: boolean;
  retry_after_ms?: number;
  constructor(code: string, message?: string, more?: object);
}

/** `waiting`: the connection ended, and is tried again at `until`. `closed`: it is not tried again before `wake`. */
export interface State {
  state: 'connecting' | 'open' | 'waiting' | 'closed';
  /** A reason of the protocol (`banned`, `token_expired`, …) or a close code, `silent`, `token`, `signed_out`, `closed`. */
  why?: string;
  message?: string;
  until?: Date;
}

export interface Limits {
  message_bytes: number;
  rooms: number;
  rates: Record<'messages' | 'kib', { per_s: number; burst: number }>;
  uploads: { bytes: number };
  kinds: Kind[];
}

export interface Welcome {
  user: string;
  uid: number;
  id?: string;
  epoch: number;
  limits: Limits;
}

/** A command of the outbox. */
export interface Entry {
  client_id: string;
  /** As the conversation was named. */
  room: string;
  cmd: 'send' | 'edit' | 'recall' | 'react';
  fields: Record<string, unknown>;
  /** When it was given, Unix milliseconds. */
  at: number;
}

export interface Settled extends Entry {
  answer?: Stored;
  error?: ChaguanError;
}

export interface Stored {
  ch: number;
  epoch: number;
  /** Missing if a reaction was so already. */
  seq?: number;
  ts?: number;
  /** It had been stored before: by an attempt whose answer was lost. */
  repeated: boolean;
}

/** A promise that knows the name of what it is about. */
export interface Storing<Answer = Stored> extends Promise<Answer> {
  client_id: string;
}

export interface OutboxStorage {
  /** Tabs with the same name send each what is theirs. */
  name?: string;
  load(): Entry[] | Promise<Entry[]>;
  put(client_id: string, entry: Entry): void | Promise<void>;
  remove(client_id: string): void | Promise<void>;
}

export interface Socket {
  send(text: string): void;
  /** `isDead`: its end need not be waited for. */
  close(isDead?: boolean): void;
}

export interface UploadOptions {
  name?: string;
  onprogress?: (progress: { sent: number; total: number }) => void;
  signal?: AbortSignal;
}

export interface Transport {
  open(address: string, protocol: string, on: {
    opened(): void;
    message(text: string): void;
    closed(code: number, reason: string): void;
  }): Socket;
  upload(address: string, options: UploadOptions & { file: any; token?: string }): Promise<{ status: number; text: string }>;
}

export interface Options {
  /** Where Chaguan is, such as `https://chat.example.org`. */
  url: string;
  /** The user's token; asked for again when it is about to end, or was refused. Nothing: they have signed out. */
  token?: () => string | undefined | Promise<string | undefined>;
  /** Instead of a token: the id of a user without a password, such as a chatroom's `nickId`. */
  user?: string;
  transport?: Transport;
  storage?: OutboxStorage;
  /** The name of the user. Tabs that give the same one share a connection, where the browser can. */
  share?: string;
  /** So long an answer, a token and a handshake are waited for: 30,000. */
  timeout_ms?: number;
  /** The wait before coming back is random below min(backoff_max_ms, backoff_ms · 2ⁿ): 30,000 and 500. */
  backoff_ms?: number;
  backoff_max_ms?: number;
}

export interface HistoryAnswer {
  ch: number;
  epoch: number;
  events: NumberedEvent[];
  more: boolean;
  trimmed?: number;
  reacted?: number;
}

export interface JoinAnswer {
  ch: number;
  epoch: number;
  /** The last number, and the user's read marker. */
  seq: number;
  read: number;
  trimmed: number;
  /** How many events come first; undefined after a reset. */
  missed?: number;
  reset: boolean;
}

export interface Unread {
  room: string;
  ch: number;
  seq: number;
  read: number;
  unread: number;
}

/** What is said of a conversation whichever way it is met. */
export interface ConversationSummary {
  id?: string;
  public_id: string;
  ch: number;
  type: 'group' | 'direct' | 'public';
  name?: string;
  meta?: Meta;
  seq: number;
  role: Role;
}

export interface ConversationLine extends ConversationSummary {
  muted: boolean;
  unread: number;
  last: { seq: number; ts: number; name: string; content?: string } | null;
  partner?: { uid: number; id: string; name: string; online?: boolean };
}

export interface Created extends ConversationSummary {
  created: number;
  made: boolean;
}

export interface Found {
  conversation: string;
  ch: number;
  seq: number;
  ts: number;
  from: From;
  kind: Kind;
  content: string;
  /** In units of UTF-16, as strings here count. */
  highlights: [number, number][];
}

export interface Page<Item> {
  items: Item[];
  next: string | null;
}

export interface Uploaded {
  url: string;
  kind: string;
  bytes: number;
  name: string;
  width?: number;
  height?: number;
}

export interface SendOptions {
  kind?: Kind;
  meta?: Meta;
  reply_to?: number;
  mentions?: (string | number)[];
  /** One's own name for the message. Give that of a failed one to try it again. */
  client_id?: string;
}

type Off = () => void;

export interface Conversation {
  readonly id: string;
  /** Its number in events, once known. */
  readonly ch: number | undefined;
  /** Keep it, and give it to `join` in the next life. */
  readonly cursor: Cursor | undefined;
  /** The user's read marker, once known. */
  readonly marker: number | undefined;
  readonly joined: boolean;

  on<Ev extends ChatEvent['ev']>(name: Ev, listener: (event: Extract<ChatEvent, { ev: Ev }>) => void): Off;
  on(name: 'event', listener: (event: ChatEvent) => void): Off;
  on(name: 'reset', listener: (reset: Reset) => void): Off;

  join(options?: { cursor?: Cursor; presence?: boolean }): Promise<JoinAnswer>;
  leave(): void;

  send(content: string, options?: SendOptions): Storing<Stored & { seq: number; ts: number }>;
  edit(seq: number, content: string, options?: { client_id?: string }): Storing<Stored & { seq: number; ts: number }>;
  recall(seq: number, options?: { client_id?: string }): Storing<Stored & { seq: number; ts: number }>;
  react(seq: number, emoji: string, on?: boolean): Storing;
  upload(file: any, options?: SendOptions & UploadOptions): Promise<Stored & { seq: number; ts: number; uploaded: Uploaded }>;

  history(options?: { before?: number; after?: number; limit?: number }): Promise<HistoryAnswer>;
  read(seq?: number): Promise<{ seq: number; unread: number }>;
  unread(): Promise<Unread>;
  typing(): Promise<void>;
  members(): Promise<Member[]>;
  search(q: string, options?: { limit?: number; cursor?: string }): Promise<Page<Found> & { complete: boolean }>;
  invite(user: string, role?: Role): Promise<{ ch: number; id: string; uid: number; role: Role; made: boolean }>;
  remove(user: string): Promise<object>;
  quit(): Promise<object>;
}

export interface Client {
  readonly state: State;
  /** Who one is, once known. */
  readonly user: Welcome | undefined;
  readonly outbox: Entry[];

  on(name: 'state', listener: (state: State) => void): Off;
  /** Every event as it comes, also of conversations that are not joined; after a cut some of them twice. */
  on(name: 'event', listener: (event: ChatEvent) => void): Off;
  on(name: 'settled', listener: (settled: Settled) => void): Off;
  /** The outbox's storage failed: what is in it now may not survive a reload. */
  on(name: 'trouble', listener: (error: ChaguanError) => void): Off;

  conversation(id: string): Conversation;
  conversations(options?: { limit?: number; cursor?: string }): Promise<Page<ConversationLine>>;
  create(options: { id?: string; type: 'group' | 'direct' | 'public'; name?: string; meta?: Meta; members?: string[] }): Promise<Created>;
  search(q: string, options?: { limit?: number; cursor?: string }): Promise<Page<Found> & { complete: boolean }>;
  unread(rooms: string[]): Promise<(Unread | { room: string; error: { code: string; message: string } })[]>;
  upload(file: any, options?: UploadOptions): Promise<Uploaded>;

  cancel(client_id: string): boolean;
  wake(): void;
  close(): void;
}

export function connect(options: Options): Client;

export function webTransport(Socket?: new (address: string, protocol: string) => any): Transport;
export function wxTransport(wx: any): Transport;

export function memoryStorage(): OutboxStorage;
export function webStorage(area: Storage, name: string): OutboxStorage;
export function wxStorage(wx: any, name: string): OutboxStorage;
