// The tables of the chatroom that the article describes. One thing is mended: who is in which room is a table with a
// key, where the article searches a text column of all users with LIKE, so that every join is slower than the one before.

const TABLES = {
  chat_room_table: `room_id VARCHAR(64) PRIMARY KEY, room_name VARCHAR(255) NOT NULL UNIQUE,
    room_status VARCHAR(16) NOT NULL, create_time DATETIME NOT NULL`,
  chat_room_user_table: `user_id VARCHAR(64) PRIMARY KEY, user_name VARCHAR(255) NOT NULL UNIQUE,
    user_status VARCHAR(16) NOT NULL, create_time DATETIME NOT NULL, head_num VARCHAR(32) NOT NULL`,
  chat_room_member_table: `room_id VARCHAR(64), user_id VARCHAR(64), PRIMARY KEY (room_id, user_id)`,
  chat_room_log_table: `log_id BIGINT AUTO_INCREMENT PRIMARY KEY, log_content TEXT NOT NULL,
    log_time VARCHAR(32) NOT NULL, log_room_id VARCHAR(64) NOT NULL, log_user_id VARCHAR(64) NOT NULL, log_user_name VARCHAR(255) NOT NULL,
    KEY (log_room_id, log_id)`,
};

/** Makes the tables, empty. */
export async function makeTables(db) {
  for (const [name, columns] of Object.entries(TABLES)) {
    await db.query(`DROP TABLE IF EXISTS ${name}`);
    await db.query(`CREATE TABLE ${name} (${columns}) ENGINE=InnoDB`);
  }
}
