// The chatroom's REST calls in Express, with Chaguan's answers: prepared statements on a pool, nothing else.
import { randomUUID } from 'node:crypto';
import express from 'express';

const newId = (kind) => `${kind}_${randomUUID().replaceAll('-', '')}`;

/** The room and the user of these names, made if they are new; the user is its member then. A name is a key, so two who
 *  come at once with a new one find the same. */
async function enter(db, { chatroomName, nickName, headNum }) {
  await db.execute(`INSERT INTO chat_room_table (room_id, room_name, room_status, create_time)
    VALUES (?, ?, 'active', NOW()) ON DUPLICATE KEY UPDATE room_status = 'active'`, [newId('room'), chatroomName]);
  const [[room]] = await db.execute('SELECT room_id FROM chat_room_table WHERE room_name = ?', [chatroomName]);
  await db.execute(`INSERT INTO chat_room_user_table (user_id, user_name, user_status, create_time, head_num)
    VALUES (?, ?, 'online', NOW(), ?) ON DUPLICATE KEY UPDATE user_status = 'online', head_num = VALUES(head_num)`,
  [newId('user'), nickName, String(headNum)]);
  const [[user]] = await db.execute('SELECT user_id FROM chat_room_user_table WHERE user_name = ?', [nickName]);
  await db.execute('INSERT IGNORE INTO chat_room_member_table (room_id, user_id) VALUES (?, ?)',
    [room.room_id, user.user_id]);
  return { chatroomId: room.room_id, nickId: user.user_id };
}

async function roomName(db, roomId) {
  const [[room]] = await db.execute('SELECT room_name FROM chat_room_table WHERE room_id = ?', [roomId]);
  return room?.room_name;
}

/** An Express application with the calls, under /mysql as in the article. */
export function chatroomApp(db) {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');          // a checksum of each answer, of no use to the caller of a POST
  const router = express.Router();
  router.post('/createChatroom', async (req, res) => {
    try {
      res.send({ success: true, data: await enter(db, req.body) });
    } catch (error) {
      console.error(error);
      res.status(503).send({ error: '创建失败' });
    }
  });
  router.post('/getRoomInfo', async (req, res) => {
    try {
      res.send({ success: true, data: await roomName(db, req.body.roomId) });
    } catch (error) {
      console.error(error);
      res.status(503).send({ error: '查询报错' });
    }
  });
  // Any type: the callers here say application/json or nothing at all, and always mean it.
  app.use('/mysql', express.json({ type: () => true }), router);
  return app;
}
