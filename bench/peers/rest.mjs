// The REST calls alone, for nginx to stand before: the peer of chaguan-rest.
import { createServer } from 'node:http';
import { openDatabase, serve } from './peer.mjs';
import { chatroomApp } from './routes.mjs';
import { makeTables } from './schema.mjs';

const db = openDatabase();
await makeTables(db);
serve(createServer(chatroomApp(db)));
